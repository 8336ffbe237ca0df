//! The page by which guests join from a browser: the files of `assets/web`, part of the program.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use include_dir::{Dir, include_dir};

/// Everything in the folder is served, so nothing else belongs there.
static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../assets/web");

/// Nothing from elsewhere, nothing inline, in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' blob:; media-src 'self' blob:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";
const PERMISSIONS: &str = "camera=(self), microphone=(self), display-capture=(self)";

pub(super) fn routes() -> Router {
    Router::new()
        // The invite in the path is the page's to read.
        .route("/join/{invite}", get(|| async { file("index.html") }))
        .route(
            "/web/{name}",
            get(|Path(name): Path<String>| async move { file(&name) }),
        )
}

fn file(name: &str) -> Response {
    let Some(found) = FILES.get_file(name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kind = match name.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        Some(_) | None => "application/octet-stream",
    };
    let headers = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // A newer server brings a newer page.
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, found.contents()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_and_its_files_are_there_with_their_policy_and_nothing_else_is() {
        for (name, kind) in [
            ("index.html", "text/html"),
            ("main.js", "text/javascript"),
            ("style.css", "text/css"),
        ] {
            let answer = file(name);
            assert_eq!(answer.status(), StatusCode::OK, "{name}");
            let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
            assert!(
                header(CONTENT_TYPE).is_some_and(|value| value.starts_with(kind)),
                "{name}"
            );
            assert_eq!(header(CONTENT_SECURITY_POLICY), Some(POLICY));
        }
        assert_eq!(file("../config.ron").status(), StatusCode::NOT_FOUND);
    }
}
