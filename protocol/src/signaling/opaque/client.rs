//! The client's half: the only place that ever sees a password.
//!
//! Each `finish` stretches the password by Argon2id, some 35 ms of work: do it off the actor's thread.

use opaque_ke::{
    ClientLoginFinishParameters, ClientRegistrationFinishParameters, CredentialResponse, RegistrationResponse,
};
use rand::rngs::OsRng;

use super::{OpaqueError, Suite, context, decode, encode, identifiers};
use crate::signaling::certificate::CertificateHash;
use crate::signaling::user_name::UserName;

/// A registration whose response is awaited.
pub struct ClientRegistration {
    user: UserName,
    password: String,
    state: opaque_ke::ClientRegistration<Suite>,
}

impl ClientRegistration {
    /// Begins; the text is the `request` of `register_start`.
    pub fn start(user: &UserName, password: &str) -> Result<(Self, String), OpaqueError> {
        let started = opaque_ke::ClientRegistration::<Suite>::start(&mut OsRng, password.as_bytes())?;
        let registration = ClientRegistration {
            user: user.clone(),
            password: password.to_owned(),
            state: started.state,
        };
        Ok((registration, encode(started.message.serialize())))
    }

    /// Takes the `response` of `register_response`; gives the `record` of `register_finish`.
    pub fn finish(self, response: &str) -> Result<String, OpaqueError> {
        let response = RegistrationResponse::deserialize(&decode(response)?)?;
        let parameters = ClientRegistrationFinishParameters::new(identifiers(&self.user), None);
        let finished = self
            .state
            .finish(&mut OsRng, self.password.as_bytes(), response, parameters)?;
        Ok(encode(finished.message.serialize()))
    }
}

/// A login whose response is awaited.
pub struct ClientLogin {
    user: UserName,
    password: String,
    state: opaque_ke::ClientLogin<Suite>,
}

impl ClientLogin {
    /// Begins; the text is the `request` of `login_start`.
    pub fn start(user: &UserName, password: &str) -> Result<(Self, String), OpaqueError> {
        let started = opaque_ke::ClientLogin::<Suite>::start(&mut OsRng, password.as_bytes())?;
        let login = ClientLogin {
            user: user.clone(),
            password: password.to_owned(),
            state: started.state,
        };
        Ok((login, encode(started.message.serialize())))
    }

    /// Takes the `response` of `login_response` and the certificate the TLS connection showed; gives the
    /// `finalization` of `login_finish`. A wrong password is noticed here, on the client.
    pub fn finish(self, response: &str, certificate: &CertificateHash) -> Result<String, OpaqueError> {
        let response = CredentialResponse::deserialize(&decode(response)?)?;
        let context = context(certificate);
        let parameters = ClientLoginFinishParameters::new(Some(&context), identifiers(&self.user), None);
        let finished = self
            .state
            .finish(&mut OsRng, self.password.as_bytes(), response, parameters)?;
        Ok(encode(finished.message.serialize()))
    }
}
