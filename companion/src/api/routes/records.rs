//! Routes of receipts, bans, known publishers, and offers as they are handed on.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use fast_qr::QRBuilder;
use minimodel::Link;
use minimodel_wire::SignedOffer;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::answer::{Api, Id, JsonBody, Name, NoBody, Outcome};
use crate::doctor::{Reach, reach};
use crate::model::{
    BanIdForm, KeyForm, KnownBan, KnownPublisher, OfferAddress, OfferText, PublisherIdForm, ReceiptIdForm,
    ReceiptLine, ReceiptText, Transfer,
};
use crate::problem::{Problem, code};

/// `PUT /v1/publishers/{id}/pin`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// The key, `ed25519:` and 64 hex digits; none: the only one that is known.
    #[serde(default)]
    #[schema(value_type = Option<KeyForm>)]
    pub key: Option<String>,
}

/// Receipts of the library's entries and of transfers that are done.
#[utoipa::path(get, path = "/v1/receipts", responses((status = 200, body = Vec<ReceiptLine>), (status = 422), (status = 507)))]
pub(crate) async fn receipts(State(api): State<Api>) -> Outcome<Json<Vec<ReceiptLine>>> {
    api.long(|service| service.receipts()).await.map(Json)
}

/// One receipt: its checks, its peers and its text.
#[utoipa::path(
    get, path = "/v1/receipts/{id}", params(("id" = ReceiptIdForm, Path)),
    responses((status = 200, body = ReceiptText), (status = 422), (status = 507))
)]
pub(crate) async fn receipt(State(api): State<Api>, Name(id): Name) -> Outcome<Json<ReceiptText>> {
    api.quick(move |service| service.receipt(&id)).await.map(Json)
}

/// Bans of the last 30 days, the newest first.
#[utoipa::path(get, path = "/v1/blame", responses((status = 200, body = Vec<KnownBan>)))]
pub(crate) async fn bans(State(api): State<Api>) -> Outcome<Json<Vec<KnownBan>>> {
    api.quick(|service| service.bans()).await.map(Json)
}

/// Lifts a ban. Transfers that run keep theirs until they end.
#[utoipa::path(
    delete, path = "/v1/blame/{id}", params(("id" = BanIdForm, Path)),
    responses((status = 204, description = "It is lifted."))
)]
pub(crate) async fn lift_ban(State(api): State<Api>, Name(id): Name, _: NoBody) -> Outcome<StatusCode> {
    api.quick(move |service| service.lift_ban(&id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The publishers whose keys are known.
#[utoipa::path(get, path = "/v1/publishers", responses((status = 200, body = Vec<KnownPublisher>), (status = 422)))]
pub(crate) async fn publishers(State(api): State<Api>) -> Outcome<Json<Vec<KnownPublisher>>> {
    api.quick(|service| service.publishers()).await.map(Json)
}

/// Forgets a publisher and its keys: the next key is new again.
#[utoipa::path(
    delete, path = "/v1/publishers/{id}", params(("id" = PublisherIdForm, Path)),
    responses((status = 204, description = "It is forgotten."))
)]
pub(crate) async fn forget_publisher(
    State(api): State<Api>,
    Name(id): Name,
    _: NoBody,
) -> Outcome<StatusCode> {
    api.quick(move |service| service.forget_publisher(&id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Pins a publisher to one key: no other is accepted, and no manifest without a signature.
#[utoipa::path(
    put, path = "/v1/publishers/{id}/pin", params(("id" = PublisherIdForm, Path)), request_body = Pinned,
    responses((status = 200, body = KnownPublisher), (status = 429))
)]
pub(crate) async fn pin_publisher(
    State(api): State<Api>,
    Name(id): Name,
    JsonBody(Pinned { key }): JsonBody<Pinned>,
) -> Outcome<Json<KnownPublisher>> {
    api.quick(move |service| service.pin_publisher(&id, key.as_deref())).await.map(Json)
}

/// The offer of a transfer, and the line for who gets it.
#[utoipa::path(
    get, path = "/v1/transfers/{id}/offer", params(("id" = u64, Path)),
    responses((status = 200, body = OfferText))
)]
pub(crate) async fn offer(State(api): State<Api>, Id(id): Id) -> Outcome<Json<OfferText>> {
    let (transfer, offer, signed) = offer_of(&api, id).await?;
    let name = format!("{} {}", transfer.model_id, transfer.model_version);
    let link = Link::new(vec![signed.clone()], Some(name.trim()))
        .or_else(|_| Link::new(vec![signed.clone()], None))
        .map_err(|error| {
            Problem::new(code::UNEXPECTED, "the offer makes no link", "hand on its text").because(error)
        })?;
    let address = |address: &std::net::SocketAddr| OfferAddress {
        address: address.to_string(),
        scope: scope(reach(address.ip())).to_owned(),
    };
    Ok(Json(OfferText {
        command: format!("minimodel fetch --offer {offer} --out ."),
        addresses: signed.offer().addresses.iter().map(address).collect(),
        link: link.to_string(),
        offer,
    }))
}

/// The offer of a transfer as a QR code.
#[utoipa::path(
    get, path = "/v1/transfers/{id}/offer.svg", params(("id" = u64, Path)),
    responses((status = 200, content_type = "image/svg+xml", body = String))
)]
pub(crate) async fn offer_picture(State(api): State<Api>, Id(id): Id) -> Outcome<Response> {
    let (_, offer, _) = offer_of(&api, id).await?;
    let svg = picture(&offer)?;
    Ok(([(header::CONTENT_TYPE, "image/svg+xml")], svg).into_response())
}

async fn offer_of(api: &Api, id: u64) -> Outcome<(Transfer, String, SignedOffer)> {
    let transfer = api.quick(move |service| service.transfer(id)).await?;
    let none = || {
        let hint = "a share has one while it runs, and a fetch while it serves";
        Problem::new(code::NOT_FOUND, format!("transfer {id} has no offer now"), hint)
    };
    let offer = transfer.offer.clone().ok_or_else(none)?;
    // An offer of our own is in the form that is parsed.
    let signed = offer.parse().map_err(|_| none())?;
    Ok((transfer, offer, signed))
}

fn scope(reach: Reach) -> &'static str {
    match reach {
        Reach::Nowhere => "nowhere",
        Reach::Loopback => "loopback",
        Reach::LinkLocal => "link-local",
        Reach::Private => "private",
        Reach::Provider => "provider",
        Reach::Everywhere => "public",
    }
}

/// Draws a text as a QR code (ISO/IEC 18004) with its quiet zone of four modules. It needs no style and no script.
fn picture(text: &str) -> Result<String, Problem> {
    let code = QRBuilder::new(text).build().map_err(|error| {
        let hint = "hand on its text instead";
        Problem::new(code::UNEXPECTED, "the offer is too long for a QR code", hint)
            .because(format!("{error:?}"))
    })?;
    let side = code.size + 8;
    let mut path = String::new();
    for y in 0..code.size {
        for x in 0..code.size {
            if code[y][x].value() {
                path.push_str(&format!("M{} {}h1v1h-1z", x + 4, y + 4));
            }
        }
    }
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
         <rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/><path d=\"{path}\"/></svg>\n"
    ))
}
