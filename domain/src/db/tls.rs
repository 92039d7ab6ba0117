//! Encryption of connections to Postgres, and whom to believe.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore,
    SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
};

use crate::{Error, Result};

/// What the server's certificate must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Trust {
    /// Any: the connection is encrypted, and that is all.
    #[default]
    Any,
    /// Issued by somebody who is believed.
    Issuer,
    /// And for this host.
    IssuerAndName,
}

/// How a connection is encrypted. With `roots`, their certificates are believed in place of the usual authorities.
#[derive(Debug, Default)]
pub(super) struct Tls {
    pub(super) trust: Trust,
    pub(super) roots: Option<PathBuf>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
}

impl Tls {
    /// The client's side.
    ///
    /// # Errors
    /// `INVALID_INPUT` when a file is missing or is no PEM.
    pub(super) fn client(&self) -> Result<ClientConfig> {
        let provider = Arc::new(ring::default_provider());
        let verifier = self.verifier(provider.clone())?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(Error::internal)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        match (&self.certificate, &self.key) {
            (None, None) => Ok(builder.with_no_client_auth()),
            (Some(certificate), Some(key)) => {
                let key = PrivateKeyDer::from_pem_file(key).map_err(|_| unreadable("sslkey"))?;
                let chain = certificates("sslcert", certificate)?;
                let client = builder.with_client_auth_cert(chain, key);
                client.map_err(|_| Error::invalid("`sslcert` and `sslkey` do not belong together"))
            }
            _ => Err(Error::invalid("`sslcert` and `sslkey` are given together")),
        }
    }

    fn verifier(&self, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>> {
        // As libpq has it, who names roots wants them to be asked.
        let trust = match self.trust {
            Trust::Any if self.roots.is_some() => Trust::Issuer,
            trust => trust,
        };
        let mut roots = RootCertStore::empty();
        match &self.roots {
            Some(path) => {
                for certificate in certificates("sslrootcert", path)? {
                    roots
                        .add(certificate)
                        .map_err(|_| unreadable("sslrootcert"))?;
                }
            }
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        }
        let issuer = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        let issuer = issuer.build().map_err(Error::internal)?;
        Ok(match trust {
            Trust::IssuerAndName => issuer,
            trust => Arc::new(Lenient { trust, issuer }),
        })
    }
}

fn certificates(parameter: &str, path: &PathBuf) -> Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    certificates.map_err(|_| unreadable(parameter))
}

fn unreadable(parameter: &str) -> Error {
    Error::invalid(format!("the file of `{parameter}` cannot be read as PEM"))
}

/// Overlooks whom a certificate was issued for, or who issued it; never that the server has its key.
#[derive(Debug)]
struct Lenient {
    trust: Trust,
    issuer: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        if self.trust == Trust::Any {
            return Ok(ServerCertVerified::assertion());
        }
        let verified =
            self.issuer
                .verify_server_cert(end_entity, intermediates, server_name, ocsp, now);
        match verified {
            Err(TlsError::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.issuer
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.issuer
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.issuer.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A certificate of `db.example`, and who issued it.
    fn file(name: &str) -> PathBuf {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tls");
        folder.join(name)
    }

    /// Whether the certificate of `db.example` does for a server that is called `name`.
    fn is_believed(trust: Trust, has_roots: bool, name: &'static str) -> bool {
        let tls = Tls {
            trust,
            roots: has_roots.then(|| file("authority.pem")),
            ..Tls::default()
        };
        let verifier = tls.verifier(Arc::new(ring::default_provider()));
        let chain = certificates("sslcert", &file("server.pem")).expect("a certificate");
        let name = ServerName::try_from(name).expect("a name");
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_900_000_000));
        let verifier = verifier.expect("a verifier");
        verifier
            .verify_server_cert(&chain[0], &[], &name, &[], now)
            .is_ok()
    }

    #[test]
    fn a_certificate_is_what_the_mode_asks_for() {
        for (trust, has_roots, of_its_name, of_another) in [
            (Trust::Any, false, true, true),
            // Who names roots wants them to be asked.
            (Trust::Any, true, true, true),
            (Trust::Issuer, true, true, true),
            (Trust::IssuerAndName, true, true, false),
            // The usual authorities did not issue it.
            (Trust::Issuer, false, false, false),
            (Trust::IssuerAndName, false, false, false),
        ] {
            let believed =
                ["db.example", "elsewhere.example"].map(|name| is_believed(trust, has_roots, name));
            assert_eq!(believed, [of_its_name, of_another], "{trust:?} {has_roots}");
        }
    }

    #[test]
    fn named_roots_are_asked_even_if_any_certificate_would_do() {
        let tls = Tls {
            roots: Some(file("server.pem")),
            ..Tls::default()
        };
        let verifier = tls.verifier(Arc::new(ring::default_provider()));
        let chain = certificates("sslcert", &file("authority.pem")).expect("a certificate");
        let name = ServerName::try_from("db.example").expect("a name");
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_900_000_000));
        let verifier = verifier.expect("a verifier");
        let believed = verifier.verify_server_cert(&chain[0], &[], &name, &[], now);
        assert!(believed.is_err());
    }
}
