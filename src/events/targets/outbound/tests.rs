//! TLS: whose certificate is believed, and for which name.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// Self-signed for `hooks.example.com`, until 2126.
const CERTIFICATE: &[u8] = include_bytes!("../testdata/receiver.pem");
const KEY: &[u8] = include_bytes!("../testdata/receiver.key");

/// Every name is this machine.
struct Here;

impl Resolve for Here {
    fn resolve<'a>(
        &'a self,
        _: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>> {
        Box::pin(async { Ok(vec![Ipv4Addr::LOCALHOST.into()]) })
    }
}

/// A receiver that speaks TLS; its port.
async fn receiver() -> u16 {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(KEY).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("default versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a matching key");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("a bound address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 204 No\r\n\r\n").await;
        }
    });
    port
}

async fn ask(host: &str, roots: RootCertStore) -> Result<u16, Reason> {
    let outbound = Outbound::with_roots(AllowedAddresses::Anywhere, Arc::new(Here), Clock::system(), roots);
    let uri = format!("https://{host}:{}/", receiver().await);
    let request = Request::post(uri).body(Full::default()).expect("a request");
    Ok(outbound.send(request, Over::Any).await?.status().as_u16())
}

#[tokio::test]
async fn the_certificate_is_checked_against_the_name_in_the_url() {
    let trusting = || {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(CERTIFICATE).expect("a certificate")).expect("a root");
        roots
    };
    let mozilla = || webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    assert_eq!(ask("hooks.example.com", trusting()).await, Ok(204));
    assert_eq!(ask("other.example.com", trusting()).await, Err(Reason::Tls));
    assert_eq!(ask("127.0.0.1", trusting()).await, Err(Reason::Tls));
    assert_eq!(ask("hooks.example.com", mozilla()).await, Err(Reason::Tls));
}
