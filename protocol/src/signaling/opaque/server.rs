//! The server's half: cheap (0.3 ms a login), and blind to passwords.

use opaque_ke::{
    CredentialFinalization, CredentialRequest, Identifiers, RegistrationRequest, RegistrationUpload,
    ServerLogin, ServerLoginParameters, ServerRegistration, ServerSetup,
};
use rand::rngs::OsRng;

use super::{OpaqueError, Suite, context, decode, encode, identifiers};
use crate::signaling::certificate::CertificateHash;
use crate::signaling::user_name::UserName;

/// The server's long-term secret (RFC 9807 §3.1): made once, kept with the accounts, which are worthless without.
#[derive(Clone)]
pub struct ServerKeys(ServerSetup<Suite>);

impl ServerKeys {
    /// Fresh keys.
    pub fn generate() -> Self {
        ServerKeys(ServerSetup::new(&mut OsRng))
    }

    /// Keys as [`ServerKeys::to_bytes`] gave them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, OpaqueError> {
        Ok(ServerKeys(ServerSetup::deserialize(bytes)?))
    }

    /// For the store; a secret.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.serialize().to_vec()
    }

    /// Answers the `request` of `register_start` with the `response` of `register_response`.
    pub fn registration_response(&self, user: &UserName, request: &str) -> Result<String, OpaqueError> {
        let request = RegistrationRequest::deserialize(&decode(request)?)?;
        let started = ServerRegistration::<Suite>::start(&self.0, request, user.folded().as_bytes())?;
        Ok(encode(started.message.serialize()))
    }

    /// Answers the `request` of `login_start` with the `response` of `login_response`. Without a password file
    /// (no such user) the answer looks the same and no finalization will fit it.
    pub fn login_response(
        &self,
        user: &UserName,
        password_file: Option<&[u8]>,
        request: &str,
        certificate: &CertificateHash,
    ) -> Result<(PendingLogin, String), OpaqueError> {
        let request = CredentialRequest::deserialize(&decode(request)?)?;
        let file = password_file.map(ServerRegistration::deserialize).transpose()?;
        let context = context(certificate);
        let started = ServerLogin::start(
            &mut OsRng,
            &self.0,
            file,
            request,
            user.folded().as_bytes(),
            parameters(&context, identifiers(user)),
        )?;
        let pending = PendingLogin {
            user: user.clone(),
            context,
            state: started.state,
        };
        Ok((pending, encode(started.message.serialize())))
    }
}

/// Checks the `record` of `register_finish`; gives what the store keeps as the user's password file.
pub fn password_file(record: &str) -> Result<Vec<u8>, OpaqueError> {
    let upload = RegistrationUpload::<Suite>::deserialize(&decode(record)?)?;
    Ok(ServerRegistration::finish(upload).serialize().to_vec())
}

/// A login whose finalization is awaited.
pub struct PendingLogin {
    user: UserName,
    context: Vec<u8>,
    state: ServerLogin<Suite>,
}

impl PendingLogin {
    /// Who says to be logging in.
    pub fn user(&self) -> &UserName {
        &self.user
    }

    /// Checks the `finalization` of `login_finish`: only who knows the password can make it.
    pub fn finish(self, finalization: &str) -> Result<(), OpaqueError> {
        let finalization = CredentialFinalization::deserialize(&decode(finalization)?)?;
        let parameters = parameters(&self.context, identifiers(&self.user));
        self.state.finish(finalization, parameters)?;
        Ok(())
    }
}

fn parameters<'c, 'i>(context: &'c [u8], identifiers: Identifiers<'i>) -> ServerLoginParameters<'c, 'i> {
    ServerLoginParameters {
        context: Some(context),
        identifiers,
    }
}
