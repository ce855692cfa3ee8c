//! TLS to Postgres, with the meaning libpq gives to `sslmode`.

use std::sync::Arc;

use brooklet_core::{Error, Result};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::options::{Tls, Url};

/// Whether the handshake is tried, demanded or left out.
pub fn ssl_mode(tls: Tls) -> SslMode {
    match tls {
        Tls::Disable => SslMode::Disable,
        Tls::Prefer => SslMode::Prefer,
        Tls::Require | Tls::VerifyCa | Tls::VerifyFull => SslMode::Require,
    }
}

/// The connector for a url; whether it is used is up to [`ssl_mode`].
pub fn connector(url: &Url) -> Result<MakeRustlsConnect> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::bug("the TLS library offers no protocol version").caused_by(e))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier::new(url, provider)?))
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// `prefer` and `require` encrypt without asking who answers, as libpq does; `verify-ca` demands
/// a chain to a trusted root, `verify-full` the host's name in the certificate as well.
#[derive(Debug)]
struct Verifier {
    chain: Option<Arc<WebPkiServerVerifier>>,
    any_name: bool,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn new(url: &Url, provider: Arc<CryptoProvider>) -> Result<Self> {
        let chain = match url.tls {
            Tls::Disable | Tls::Prefer | Tls::Require => None,
            Tls::VerifyCa | Tls::VerifyFull => {
                let roots = Arc::new(roots(url)?);
                let verifier =
                    WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build();
                Some(verifier.map_err(|e| {
                    Error::config("option 'url': no root certificate to verify the server with")
                        .caused_by(e)
                })?)
            }
        };
        Ok(Verifier { chain, any_name: url.tls == Tls::VerifyCa, provider })
    }
}

fn roots(url: &Url) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    match &url.root_certificate {
        Some(file) => {
            let wrong =
                || format!("option 'url': sslrootcert={file} is not a readable PEM certificate");
            let certificates = CertificateDer::pem_file_iter(file)
                .and_then(|each| each.collect::<Result<Vec<_>, _>>())
                .map_err(|e| Error::config(wrong()).caused_by(e))?;
            for certificate in certificates {
                roots.add(certificate).map_err(|e| Error::config(wrong()).caused_by(e))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(roots)
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        let verified =
            chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.any_name => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
