//! The AWS SDK's requests over our own HTTP client, so that one TLS stack and one set of address
//! checks serves all.

use std::fmt;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;

use crate::events::targets::error::Reason;
use crate::events::targets::outbound::{Outbound, Over, read};

/// An [`Outbound`] as the SDK wants it. Timeouts are the caller's.
#[derive(Clone)]
pub struct Transport(pub Outbound);

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

impl HttpClient for Transport {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Transport {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let outbound = self.0.clone();
        HttpConnectorFuture::new(async move {
            exchange(&outbound, request).await.map_err(|reason| ConnectorError::io(reason.into()))
        })
    }
}

async fn exchange(outbound: &Outbound, request: HttpRequest) -> Result<HttpResponse, Reason> {
    let request = request.try_into_http1x().map_err(|_| UNSENDABLE)?;
    let (head, body) = request.into_parts();
    // Messages are in memory; a streaming body has no place here.
    let body = Bytes::copy_from_slice(body.bytes().ok_or(UNSENDABLE)?);
    let response = outbound.send(Request::from_parts(head, Full::new(body)), Over::Any).await?;
    let (head, body) = response.into_parts();
    let body = read(body).await?;
    let response = hyper::Response::from_parts(head, body.into());
    HttpResponse::try_from(response).map_err(|_| Reason::InvalidResponse)
}

const UNSENDABLE: Reason = Reason::Settings("the request could not be built");
