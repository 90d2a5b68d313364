//! The files of TLS: trusted authorities, and the client's own certificate. They are read again when they
//! have changed, so that a certificate that is replaced in time needs no restart.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::client::Resumption;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, Error, InconsistentKeys, RootCertStore};

use super::verifier::{Checked, Verifier};
use crate::database_url::{Authorities, Mode, Tls};
use crate::files;
use crate::limits;

/// How Postgres is called among the protocols above TLS.
pub(super) const PROTOCOL: &[u8] = b"postgresql";

/// What the files said last.
pub(super) struct Certificates {
    wanted: Tls,
    read: Mutex<Option<(Vec<Stamp>, Arc<ClientConfig>)>>,
}

/// By what a file is known to have changed: device, inode, size, and when.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp(u64, u64, u64, i64, i64);

impl Stamp {
    fn of(file: &Metadata) -> Self {
        Self(file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec())
    }
}

impl Certificates {
    /// Those that are wanted; nothing is read yet.
    pub(super) fn of(wanted: &Tls) -> Self {
        Self { wanted: wanted.clone(), read: Mutex::new(None) }
    }

    /// What the files say. What was read before counts on where the new cannot be read: files are replaced
    /// one after the other.
    ///
    /// # Errors
    /// What is wrong with which of them.
    pub(super) fn current(&self) -> Result<Arc<ClientConfig>, String> {
        let mut read = self.read.lock();
        let stamps = self.stamps();
        if let Some((known, config)) = &*read
            && *known == stamps
        {
            return Ok(config.clone());
        }
        let config = match (config(&self.wanted), &*read) {
            (Ok(config), _) => Arc::new(config),
            (Err(why), Some((_, former))) => {
                log::error!("DATABASE_URL: {why}; what was read before is used on");
                former.clone()
            }
            (Err(why), None) => return Err(why),
        };
        *read = Some((stamps, config.clone()));
        Ok(config)
    }

    fn stamps(&self) -> Vec<Stamp> {
        let authorities = match &self.wanted.authorities {
            Authorities::File(path) => Some(path),
            Authorities::None | Authorities::System => None,
        };
        let own = self.wanted.identity.iter().flat_map(|(certificate, key)| [certificate, key]);
        let files = authorities.into_iter().chain(own);
        // One that cannot be looked at is read, which says why.
        files.map(|path| fs::metadata(path).map_or(Stamp(0, 0, 0, 0, 0), |file| Stamp::of(&file))).collect()
    }
}

fn config(wanted: &Tls) -> Result<ClientConfig, String> {
    let provider = Arc::new(default_provider());
    let checked = match wanted.mode {
        Mode::VerifyFull => Checked::AuthorityAndName,
        _ if wanted.authorities != Authorities::None => Checked::Authority,
        _ => Checked::Nothing,
    };
    let (roots, listed) = authorities(&wanted.authorities)?;
    let verifier = Verifier::new(provider.clone(), checked, roots, listed);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &wanted.identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let (chain, secret) = (certificates("sslcert", certificate)?, private_key(key)?);
            builder.with_client_auth_cert(chain, secret).map_err(|error| match error {
                Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    format!("sslkey={} is not the key of sslcert={}", key.display(), certificate.display())
                }
                error => format!("sslcert={} or its key: {error}", certificate.display()),
            })?
        }
    };
    // Postgres keeps no sessions of TLS, and what was checked once is checked again.
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(config)
}

/// The authorities, and each certificate of the file as it is: the server's own may be among them.
fn authorities(wanted: &Authorities) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), String> {
    let mut roots = RootCertStore::empty();
    match wanted {
        Authorities::None => Ok((roots, Vec::new())),
        Authorities::System => {
            let known = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(known.certs);
            match roots.is_empty() {
                true => Err("sslrootcert=system: this system knows no authorities (the package \
                             ca-certificates has them)"
                    .into()),
                false => Ok((roots, Vec::new())),
            }
        }
        Authorities::File(path) => {
            let listed = certificates("sslrootcert", path)?;
            // One that is not an authority may still be the server's own.
            roots.add_parsable_certificates(listed.iter().cloned());
            Ok((roots, listed))
        }
    }
}

/// The certificates of a file, of which there is one at least.
fn certificates(option: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let refused = |why: &dyn std::fmt::Display| format!("{option}={}: {why}", path.display());
    let (text, _) = files::read(path, limits::CERTIFICATES_BYTES).map_err(|error| refused(&error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(refused(&"there is no certificate in it (PEM)")),
        Err(_) => Err(refused(&"it cannot be read as certificates (PEM)")),
    }
}

/// Nothing of what is in the file is told.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let refused = |why: &dyn std::fmt::Display| format!("sslkey={}: {why}", path.display());
    let (text, file) = files::read(path, limits::CERTIFICATES_BYTES).map_err(|error| refused(&error))?;
    // As Postgres's own library has it.
    let allowed = if file.uid() == 0 && !rustix::process::geteuid().is_root() { 0o640 } else { 0o600 };
    files::check_private(&file, allowed).map_err(|why| refused(&why))?;
    PrivateKeyDer::from_pem_slice(&text)
        .map_err(|_| refused(&"there is no private key in it (PEM, not encrypted by a password)"))
}
