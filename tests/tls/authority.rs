//! Certificates: of an authority of its own, for servers and clients, good ones and others.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

/// A certificate with its key, both in PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// What a certificate says beside its names.
#[derive(Clone, Copy)]
pub(crate) enum Validity {
    Now,
    Over,
    Later,
}

/// Who signs.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// For a server of these names.
    pub(crate) fn server(&self, names: &[&str], validity: Validity) -> Identity {
        self.sign(&params(names, validity))
    }

    /// For a server whose name is its common name alone.
    pub(crate) fn common_name(&self, name: &str) -> Identity {
        let mut params = params(&[], Validity::Now);
        params.distinguished_name.push(DnType::CommonName, name);
        self.sign(&params)
    }

    /// For a client that signs in as this user.
    pub(crate) fn client(&self, user: &str) -> Identity {
        let mut params = params(&[], Validity::Now);
        params.distinguished_name.push(DnType::CommonName, user);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity { certificate, key: key.serialize_pem() }
    }
}

/// A server's certificate that nobody has signed but itself, which is an authority by that.
pub(crate) fn self_signed(name: &str, validity: Validity) -> Identity {
    let mut params = params(&[name], validity);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    Identity { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

fn params(names: &[&str], validity: Validity) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    let (from, to) = match validity {
        Validity::Now => (2020, 2090),
        Validity::Over => (2020, 2021),
        Validity::Later => (2089, 2090),
    };
    (params.not_before, params.not_after) =
        (rcgen::date_time_ymd(from, 1, 1), rcgen::date_time_ymd(to, 1, 1));
    params
}

/// Writes a file for its owner alone, or for all.
pub(crate) fn write(folder: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path
}

/// Gives a file to the user whom Postgres runs as.
pub(crate) fn give(path: &Path, owner: u32) {
    chown(path, Some(owner), None).unwrap();
}
