//! The address's settings, and TLS as its `sslmode` asks for it.
//!
//! `disable`: none. `prefer` (also without any): TLS when the server offers it, without asking whose certificate it
//! is, as libpq does: it guards against listeners only. `require`, `verify-ca` and `verify-full`: TLS, with a
//! certificate for this host by an authority the machine trusts, or by the one in the file `sslrootcert`.

use std::{path::Path, str::FromStr, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use tokio_postgres::{Config, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Reads the address.
pub(super) fn settings(url: &str) -> Result<(Config, MakeRustlsConnect), String> {
    let (plain, mode, authority) = without_tls(url);
    let why = |why: tokio_postgres::Error| {
        let cause = std::error::Error::source(&why).map(|cause| format!(": {cause}"));
        format!("{why}{}", cause.unwrap_or_default())
    };
    let mut config = Config::from_str(&plain).map_err(why)?;
    let (mode, tls) = match mode.as_deref() {
        Some("disable") => (SslMode::Disable, unverified()),
        None | Some("prefer" | "allow") => (SslMode::Prefer, unverified()),
        Some("require" | "verify-ca" | "verify-full") => (SslMode::Require, verified(authority.as_deref())?),
        Some(other) => return Err(format!("sslmode `{other}` is unknown; there are disable, prefer, require")),
    };
    config.ssl_mode(mode);
    Ok((config, tls))
}

/// The address without `sslmode` and `sslrootcert`, and the values of these.
fn without_tls(url: &str) -> (String, Option<String>, Option<String>) {
    // A password may hold a `?`; what follows the `@` is the host, and its `?` begins the settings.
    let host = url.find('@').unwrap_or(0);
    let Some(mark) = url[host..].find('?').map(|at| host + at) else { return (url.to_owned(), None, None) };
    let (mut mode, mut authority, mut others) = (None, None, Vec::new());
    for setting in url[mark + 1..].split('&') {
        match setting.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value.to_owned()),
            Some(("sslrootcert", value)) => authority = Some(value.replace("%2F", "/").replace("%2f", "/")),
            _ => others.push(setting),
        }
    }
    let settings = if others.is_empty() { String::new() } else { format!("?{}", others.join("&")) };
    (format!("{}{settings}", &url[..mark]), mode, authority)
}

fn config() -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    // Somebody else may have installed a provider before; either will do.
    let _ = ring::default_provider().install_default();
    ClientConfig::builder()
}

fn verified(authority: Option<&str>) -> Result<MakeRustlsConnect, String> {
    let Some(file) = authority else {
        drop(config());
        let native = MakeRustlsConnect::with_native_certs();
        let missing = "this machine trusts no authority: install its ca-certificates, or give `sslrootcert=<file>`";
        return native.map(|(tls, _)| tls).map_err(|_| missing.to_owned());
    };
    let unreadable = |why: &dyn std::fmt::Display| format!("sslrootcert {}: {why}", Path::new(file).display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|why| unreadable(&why))? {
        let certificate = certificate.map_err(|why| unreadable(&why))?;
        roots.add(certificate).map_err(|why| unreadable(&why))?;
    }
    if roots.is_empty() {
        return Err(unreadable(&"no certificate in it"));
    }
    Ok(MakeRustlsConnect::new(config().with_root_certificates(roots).with_no_client_auth()))
}

fn unverified() -> MakeRustlsConnect {
    let verifier = Arc::new(Anyone(Arc::new(ring::default_provider())));
    MakeRustlsConnect::new(config().dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// Takes any certificate, but only from whoever holds its key.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modes_of_libpq_are_known_and_others_refused() {
        let mode = |url| settings(url).map(|(config, _)| config.get_ssl_mode());
        assert_eq!(mode("postgres://h/db"), Ok(SslMode::Prefer));
        assert_eq!(mode("postgres://u:p?w@h/db?sslmode=disable&connect_timeout=3"), Ok(SslMode::Disable));
        assert!(mode("postgres://h/db?sslmode=sometimes").is_err_and(|why| why.contains("sometimes")));
        let absent = mode("postgres://h/db?sslmode=verify-full&sslrootcert=/no/such.pem");
        assert!(absent.is_err_and(|why| why.contains("/no/such.pem")));
    }
}
