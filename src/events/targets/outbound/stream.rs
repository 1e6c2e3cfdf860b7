//! Connections that speak something else than HTTP, opened as safely: to the very addresses that were
//! judged, and inside TLS wherever only public ones may be reached.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::{AllowedAddresses, Outbound, tls};
use crate::events::targets::error::Reason;

/// Bytes in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Who vouches for the other side.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Nobody: there is no TLS. Only where any address may be connected to.
    Nobody,
    /// Mozilla's roots.
    PublicRoots,
    /// These roots alone.
    Roots(Arc<RootCertStore>),
}

impl Outbound {
    /// Connects to a host and, where somebody is to vouch for it, makes sure that it is that host.
    ///
    /// # Errors
    /// Whatever keeps the connection from standing.
    pub async fn open(&self, host: &str, port: u16, trust: &Trust) -> Result<Box<dyn Stream>, Reason> {
        let config = match trust {
            Trust::Nobody if self.allowed == AllowedAddresses::Public => {
                return Err(Reason::Settings("connections must be inside TLS"));
            }
            Trust::Nobody => return Ok(Box::new(self.guard.dial(host, port).await?)),
            Trust::PublicRoots => Arc::clone(&self.tls),
            Trust::Roots(roots) => Arc::new(tls(RootCertStore::clone(roots))),
        };
        let name = ServerName::try_from(host.to_owned()).map_err(|_| Reason::Tls)?;
        let stream = self.guard.dial(host, port).await?;
        let connected = TlsConnector::from(config).connect(name, stream).await;
        Ok(Box::new(connected.map_err(|_| Reason::Tls)?))
    }
}
