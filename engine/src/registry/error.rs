//! Errors, as distribution-spec lists them.

use http::StatusCode;
use http::header::WWW_AUTHENTICATE;
use serde_json::json;

use super::auth::Challenge;
use super::header;
use crate::api::Response;
use crate::content::ContentError;
use crate::pipe::BodyError;
use crate::store::StoreError;

/// Why a request was refused.
#[derive(Debug)]
pub enum RegistryError {
    /// Who asks has to say who they are.
    Challenge(Challenge),
    /// One of the specification's codes.
    Failed(StatusCode, &'static str, String),
}

/// The specification's error codes.
#[derive(Clone, Copy)]
pub(super) enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    PaginationNumberInvalid,
    RangeInvalid,
    SizeInvalid,
    TagInvalid,
    TooLarge,
    TooManyRequests,
    Unsupported,
}

impl Code {
    fn parts(self) -> (StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Code::BlobUnknown => (S::NOT_FOUND, "BLOB_UNKNOWN"),
            Code::BlobUploadInvalid => (S::CONFLICT, "BLOB_UPLOAD_INVALID"),
            Code::BlobUploadUnknown => (S::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN"),
            Code::DigestInvalid => (S::BAD_REQUEST, "DIGEST_INVALID"),
            Code::ManifestBlobUnknown => (S::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN"),
            Code::ManifestInvalid => (S::BAD_REQUEST, "MANIFEST_INVALID"),
            Code::ManifestUnknown => (S::NOT_FOUND, "MANIFEST_UNKNOWN"),
            Code::NameInvalid => (S::BAD_REQUEST, "NAME_INVALID"),
            Code::NameUnknown => (S::NOT_FOUND, "NAME_UNKNOWN"),
            Code::PaginationNumberInvalid => (S::BAD_REQUEST, "PAGINATION_NUMBER_INVALID"),
            Code::RangeInvalid => (S::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID"),
            Code::SizeInvalid => (S::BAD_REQUEST, "SIZE_INVALID"),
            Code::TagInvalid => (S::BAD_REQUEST, "TAG_INVALID"),
            Code::TooLarge => (S::PAYLOAD_TOO_LARGE, "SIZE_INVALID"),
            Code::TooManyRequests => (S::TOO_MANY_REQUESTS, "TOOMANYREQUESTS"),
            Code::Unsupported => (S::NOT_FOUND, "UNSUPPORTED"),
        }
    }

    pub fn because(self, message: &str) -> RegistryError {
        let (status, code) = self.parts();
        RegistryError::Failed(status, code, message.into())
    }
}

impl RegistryError {
    /// The answer to the client.
    pub fn response(&self) -> Response {
        let body = |code: &str, message: &str| json!({"errors": [{"code": code, "message": message, "detail": null}]});
        match self {
            RegistryError::Challenge(challenge) => {
                let answer = body("UNAUTHORIZED", "authentication required");
                Response::json(StatusCode::UNAUTHORIZED, &answer)
                    .header(WWW_AUTHENTICATE, header(&challenge.to_string()))
            }
            RegistryError::Failed(status, code, message) => {
                Response::json(*status, &body(code, message))
            }
        }
    }
}

impl From<StoreError> for RegistryError {
    fn from(error: StoreError) -> Self {
        let status = match error {
            StoreError::Full => StatusCode::INSUFFICIENT_STORAGE,
            StoreError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        RegistryError::Failed(status, "UNKNOWN", error.to_string())
    }
}

impl From<ContentError> for RegistryError {
    fn from(error: ContentError) -> Self {
        match error {
            ContentError::NotFound(_) => Code::BlobUnknown.because("blob unknown to registry"),
            ContentError::DigestMismatch { .. } => {
                Code::DigestInvalid.because("provided digest did not match uploaded content")
            }
            ContentError::SizeMismatch { .. } => {
                Code::SizeInvalid.because("provided length did not match content length")
            }
            ContentError::Store(error) => error.into(),
        }
    }
}

impl From<BodyError> for RegistryError {
    fn from(error: BodyError) -> Self {
        RegistryError::Failed(
            StatusCode::BAD_REQUEST,
            "BLOB_UPLOAD_INVALID",
            error.to_string(),
        )
    }
}
