//! Whether a server is the one that it claims to be. `sslmode` says how much of that is checked.
//!
//! What OpenSSL accepts and the library does not is accepted here as well, since Postgres's manual tells how
//! to make it: a certificate that is its own authority, and one that has its host as its common name alone.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, verify_tls12_signature, verify_tls13_signature, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// How much of a certificate is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checked {
    /// Only that the server has its key.
    Nothing,
    /// By whom it is.
    Authority,
    /// ... and for whom.
    AuthorityAndName,
}

#[derive(Debug)]
pub(super) struct Verifier {
    provider: Arc<CryptoProvider>,
    checked: Checked,
    roots: RootCertStore,
    /// Certificates that are believed as they are.
    listed: Vec<CertificateDer<'static>>,
}

impl Verifier {
    pub(super) fn new(
        provider: Arc<CryptoProvider>,
        checked: Checked,
        roots: RootCertStore,
        listed: Vec<CertificateDer<'static>>,
    ) -> Self {
        Self { provider, checked, roots, listed }
    }

    fn verify_authority(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        if self.listed.iter().any(|listed| **listed == **certificate) {
            return verify_validity(certificate, now);
        }
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        let verified =
            verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, algorithms);
        match verified {
            // One that is its own authority, and is none of ours.
            Err(Error::InvalidCertificate(CertificateError::Other(_))) if is_self_signed(certificate) => {
                Err(CertificateError::UnknownIssuer.into())
            }
            verified => verified,
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.checked != Checked::Nothing {
            self.verify_authority(certificate, intermediates, now)?;
        }
        if self.checked == Checked::AuthorityAndName {
            verify_name(certificate, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        if self.checked != Checked::Nothing {
            return verify_tls13_signature(message, certificate, signed, algorithms);
        }
        // Also of a certificate of version 1, of which only the key counts.
        let key = parse(certificate)?.tbs_certificate().subject_public_key_info().to_der();
        let key = key.map_err(|_| CertificateError::BadEncoding)?;
        verify_tls13_signature_with_raw_key(message, &SubjectPublicKeyInfoDer::from(key), signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn parse(certificate: &CertificateDer<'_>) -> Result<Certificate, CertificateError> {
    Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)
}

fn verify_validity(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let parsed = parse(certificate)?;
    let validity = parsed.tbs_certificate().validity();
    let now = now.as_secs();
    if now < validity.not_before.to_unix_duration().as_secs() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

fn is_self_signed(certificate: &CertificateDer<'_>) -> bool {
    parse(certificate).is_ok_and(|it| it.tbs_certificate().issuer() == it.tbs_certificate().subject())
}

/// By the names of the certificate, or where it has no names of hosts by its common name (Postgres manual,
/// section 32.19.1).
fn verify_name(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Error> {
    let verified = ParsedCertificate::try_from(certificate).and_then(|it| verify_server_name(&it, name));
    match (verified, name) {
        (Err(_), ServerName::DnsName(host)) if is_common_name(certificate, host.as_ref()) => Ok(()),
        (verified, _) => verified,
    }
}

fn is_common_name(certificate: &CertificateDer<'_>, host: &str) -> bool {
    let Ok(parsed) = parse(certificate) else { return false };
    let parsed = parsed.tbs_certificate();
    let names = parsed.get_extension::<SubjectAltName>();
    let has_names = match names {
        Ok(Some((_, SubjectAltName(names)))) => {
            names.iter().any(|name| matches!(name, GeneralName::DnsName(_) | GeneralName::IpAddress(_)))
        }
        Ok(None) => false,
        Err(_) => true,
    };
    let common = parsed.subject().common_name().ok().flatten();
    !has_names && common.is_some_and(|common| covers(&common.value(), host))
}

/// Whether a name of a certificate, in which `*.` may stand for one label, is that of the host.
fn covers(name: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.');
    match name.strip_prefix("*.") {
        Some(parent) if parent.contains('.') => host
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(parent)),
        Some(_) => false,
        None => !name.is_empty() && name.eq_ignore_ascii_case(host),
    }
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_star_stands_for_one_label() {
        for (name, host) in [
            ("db.example", "db.example"),
            ("DB.example", "db.Example"),
            ("*.example.org", "db.example.org"),
            ("localhost", "localhost"),
            ("db.example", "db.example."),
        ] {
            assert!(covers(name, host), "{name} {host}");
        }
        for (name, host) in [
            ("", "db"),
            ("db.example", "db.example.org"),
            ("*.example.org", "example.org"),
            ("*.example.org", "a.b.example.org"),
            ("*.org", "example.org"),
            ("*", "db"),
            ("d*.example.org", "db.example.org"),
        ] {
            assert!(!covers(name, host), "{name} {host}");
        }
    }
}
