//! HTTP to one address, without proxy, redirects, names or cookies.

use std::net::SocketAddr;
use std::time::Duration;

use ureq::Agent;
use ureq::http::{Response, StatusCode, Uri};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{NextTimeout, TcpConnector};

use super::super::limits::upnp as limits;
use super::soap::{Answer, Call};
use super::url::RouterUrl;

/// What the router is told of us (UPnP Device Architecture 1.1, section 2.1), without system and version.
const USER_AGENT: &str = "UPnP/1.1 minimodel";

/// A client of the router. Its calls block, for a time limit each at most.
#[derive(Debug, Clone)]
pub(super) struct Client {
    agent: Agent,
    url: RouterUrl,
}

impl Client {
    pub(super) fn new(url: RouterUrl, limit: Duration) -> Self {
        let config = Agent::config_builder()
            .user_agent(USER_AGENT)
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .max_idle_connections(0)
            .max_response_header_size(limits::HEAD_BYTES)
            .timeout_global(Some(limit))
            .build();
        let only = Only(SocketAddr::V4(url.at));
        Self { agent: Agent::with_parts(config, TcpConnector::default(), only), url }
    }

    /// The description at the URL.
    pub(super) fn description(&self) -> Option<String> {
        let response = self.agent.get(self.url.to_string()).call().ok()?;
        if response.status() != StatusCode::OK {
            return None;
        }
        text(response, limits::DESCRIPTION_BYTES)
    }

    /// Makes a call. `None`: no answer.
    pub(super) fn call(&self, call: &Call) -> Option<Answer> {
        let request = self.agent.post(self.url.to_string());
        let request = request.content_type("text/xml; charset=\"utf-8\"").header("SOAPAction", call.action());
        let response = request.send(call.body()).ok()?;
        // A fault comes with 500 (SOAP 1.1 section 6.2); any other status is no answer of a service.
        if !matches!(response.status(), StatusCode::OK | StatusCode::INTERNAL_SERVER_ERROR) {
            return Some(Answer::Garbled);
        }
        Some(call.read(&text(response, limits::ANSWER_BYTES)?))
    }
}

/// The whole body, if it has no more bytes than `limit`. What is no UTF-8 in it is replaced: names of devices are in any encoding.
fn text(response: Response<ureq::Body>, limit: usize) -> Option<String> {
    let limit = u64::try_from(limit).ok()?;
    let bytes = response.into_body().into_with_config().limit(limit).read_to_vec().ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A resolver that knows one address, and looks up no name.
#[derive(Debug)]
struct Only(SocketAddr);

impl Resolver for Only {
    fn resolve(
        &self,
        uri: &Uri,
        _: &ureq::config::Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let named = uri.authority().and_then(|authority| authority.as_str().parse().ok());
        let mut addresses = self.empty();
        addresses.push(named.filter(|named| *named == self.0).ok_or(ureq::Error::HostNotFound)?);
        Ok(addresses)
    }
}
