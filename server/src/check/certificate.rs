//! The server's own certificate.

use std::fs;

use roomrtc_kit::config::Config;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use x509_parser::time::ASN1Time;

use super::Finding;

/// A certificate that ends sooner should have been renewed.
const RENEWAL_DAYS: i64 = 14;
const DAY_S: i64 = 24 * 3600;

pub(super) fn check(config: &Config) -> Finding {
    let folder = config.server.data_folder();
    let (certificate, key) = (
        folder.join(&config.server.certificate),
        folder.join(&config.server.private_key),
    );
    match (certificate.exists(), key.exists()) {
        (false, false) => {
            return Finding::Note(
                "none yet: the first start makes a self-signed one, whose fingerprint clients confirm once; browsers of \
                 guests warn of it"
                    .to_owned(),
            );
        }
        (true, true) => {}
        (there, _) => {
            let missing = if there { &key } else { &certificate };
            return Finding::problem(
                format!("{} is missing", missing.display()),
                "Put certificate and private key there together, or take both away to have them made.",
            );
        }
    }
    let read = fs::read(&certificate).map_err(|error| error.to_string());
    let parsed = read.and_then(|pem| CertificateDer::from_pem_slice(&pem).map_err(|error| error.to_string()));
    match parsed {
        Ok(der) => judge(&der, &config.server.public_url),
        Err(error) => Finding::problem(
            format!("{} cannot be read: {error}", certificate.display()),
            "It must be a chain in PEM that this user may read, the server's own certificate first.",
        ),
    }
}

fn judge(der: &[u8], public_url: &str) -> Finding {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else {
        return Finding::problem(
            "it is no certificate",
            "Put the server's own certificate first in the file.",
        );
    };
    let now = ASN1Time::now().timestamp();
    let validity = certificate.validity();
    let days = (validity.not_after.timestamp() - now) / DAY_S;
    if validity.not_before.timestamp() > now {
        return Finding::problem(
            format!("it is good only from {}", validity.not_before),
            "Set this machine's clock.",
        );
    }
    if days < RENEWAL_DAYS {
        return Finding::problem(
            format!("it ends on {}", validity.not_after),
            "Renew it, then send the server SIGHUP: it loads the new one without a pause.",
        );
    }
    if let Some(host) = host_of(public_url).filter(|host| !is_for(&certificate, host)) {
        return Finding::problem(
            format!("it is not for {host}, the host of server.public_url"),
            "Get one that names this host, or correct server.public_url.",
        );
    }
    if certificate.issuer() == certificate.subject() {
        return Finding::Note(format!(
            "self-signed, good for {days} days: clients confirm its fingerprint once, and browsers of guests warn of it"
        ));
    }
    Finding::Good(format!("good for {days} days"))
}

/// The host of `https://HOST:PORT`.
pub(super) fn host_of(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://")?.trim_end_matches('/');
    if let Some(bracketed) = rest.strip_prefix('[') {
        return bracketed.split(']').next();
    }
    rest.split(':').next().filter(|host| !host.is_empty())
}

fn is_for(certificate: &X509Certificate<'_>, host: &str) -> bool {
    let names = certificate.subject_alternative_name().ok().flatten();
    names.is_some_and(|names| {
        names.value.general_names.iter().any(|name| match name {
            GeneralName::DNSName(name) => {
                let under = |wild: &str| {
                    host.split_once('.')
                        .is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(wild))
                };
                name.eq_ignore_ascii_case(host) || name.strip_prefix("*.").is_some_and(under)
            }
            GeneralName::IPAddress(bytes) => host.parse().is_ok_and(|address| match address {
                std::net::IpAddr::V4(address) => address.octets() == **bytes,
                std::net::IpAddr::V6(address) => address.octets() == **bytes,
            }),
            _ => false,
        })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn made(names: &[&str], ends: (i32, u8, u8)) -> Vec<u8> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_after = date_time_ymd(ends.0, ends.1, ends.2);
        params
            .self_signed(&KeyPair::generate().unwrap())
            .unwrap()
            .der()
            .to_vec()
    }

    fn problem(finding: Finding) -> String {
        match finding {
            Finding::Problem { what, .. } => what,
            Finding::Good(what) | Finding::Note(what) => panic!("no problem: {what}"),
        }
    }

    #[test]
    fn a_certificate_must_be_in_time_and_for_the_public_host() {
        let good = made(&["rtc.example", "*.calls.example", "192.0.2.1"], (2999, 1, 1));
        for url in [
            "",
            "https://rtc.example",
            "https://a.calls.example:8443",
            "https://192.0.2.1/",
        ] {
            assert!(matches!(judge(&good, url), Finding::Note(_)), "{url}");
        }
        assert!(problem(judge(&good, "https://other.example")).contains("other.example"));
        assert!(problem(judge(&made(&["rtc.example"], (2001, 1, 1)), "")).contains("ends on"));
        assert!(problem(judge(b"nonsense", "")).contains("no certificate"));
    }

    #[test]
    fn hosts_are_found_in_urls() {
        assert_eq!(host_of("https://[2001:db8::1]:8443"), Some("2001:db8::1"));
        assert_eq!(host_of("https://rtc.example/"), Some("rtc.example"));
        assert_eq!(host_of(""), None);
    }
}
