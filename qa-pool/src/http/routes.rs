//! Which path gives what.

use super::page::Page;
use super::readiness::Readiness;
use super::report::Report;
use super::sampler::Sampler;
use super::{Http, Render};
use crate::ResourcePool;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use std::sync::Arc;

struct Shared {
    pool: ResourcePool,
    render: Option<Render>,
    sampler: Sampler,
}

/// The page may load nothing and run nothing, and nobody may keep an answer.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
const NO_STORE: (header::HeaderName, &str) = (header::CACHE_CONTROL, "no-store");

pub(crate) fn router(http: &Http) -> Router {
    let sampler = Sampler::start(&http.pool, http.prometheus.clone());
    let shared = Shared { pool: http.pool.clone(), render: http.render.clone(), sampler };
    Router::new()
        .route("/", get(async || Redirect::temporary("/status.html")))
        .route("/livez", get(async || ([NO_STORE], "alive\n")))
        .route("/readyz", get(readyz))
        .route("/status", get(status))
        .route("/status.html", get(async |State(shared)| page(&shared)))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(shared))
}

impl Shared {
    fn is_closing(&self) -> bool {
        self.pool.closing().is_cancelled()
    }

    fn report(&self) -> Report {
        let (groups, closing) = (self.pool.groups(), self.is_closing());
        self.sampler.read(|history| Report::of(groups, closing, history))
    }
}

async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    let readiness = Readiness::of(&shared.pool.groups(), shared.is_closing());
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [NO_STORE], Json(readiness)).into_response()
}

/// JSON, unless who asks would rather have HTML, as browsers would.
async fn status(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(wants_html) {
        return page(&shared);
    }
    ([NO_STORE, (header::VARY, "accept")], Json(shared.report())).into_response()
}

fn page(shared: &Arc<Shared>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::VARY, "accept"),
        NO_STORE,
    ];
    (headers, Page(&shared.report()).to_string()).into_response()
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let Some(render) = &shared.render else {
        let remedy = "no recorder was given: see Http::with_prometheus and Http::with_metrics\n";
        return (StatusCode::NOT_FOUND, remedy).into_response();
    };
    let kind = (header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
    ([kind, NO_STORE], render()).into_response()
}

/// Whether HTML is named before JSON. A browser names it first; who takes anything gets JSON.
fn wants_html(accept: &str) -> bool {
    let place = |kind: &str| accept.find(kind);
    match (place("text/html"), place("application/json")) {
        (Some(html), Some(json)) => html < json,
        (html, _) => html.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_gets_the_page_and_everything_else_json() {
        for (accept, html) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
            ("*/*", false),
            ("application/json", false),
            ("application/json, text/html;q=0.5", false),
        ] {
            assert_eq!(wants_html(accept), html, "{accept}");
        }
    }
}
