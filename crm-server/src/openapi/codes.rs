//! Every code that an error can have. A program decides by them, so none is ever renamed.

/// The codes, in alphabetical order.
pub(super) const CODES: &[&str] = &[
    "ABOVE_ONESELF",
    "AMBIGUOUS_NUMBER",
    "BODY_TIMEOUT",
    "BODY_TOO_LARGE",
    "BUILT_IN_ROLE",
    "BUSY",
    "COMMON_PASSWORD",
    "CONFLICT",
    "CONTRADICTION",
    "CONTROL_CHARACTER",
    "DATABASE_NEWER",
    "DUPLICATE",
    "DUPLICATE_FIELD",
    "DUPLICATE_PARAMETER",
    "DUPLICATE_VALUES",
    "EMAIL_NOT_VERIFIED",
    "EMAIL_UNPROVEN",
    "ENTANGLED",
    "FIELD_LEFT_OUT",
    "FILTER_TOO_COMPLEX",
    "FILTER_TOO_LONG",
    "FORBIDDEN",
    "HEADERS_TOO_LARGE",
    "HEADER_TIMEOUT",
    "IDEMPOTENCY_ANSWER_LOST",
    "IDEMPOTENCY_KEY_IN_USE",
    "IDEMPOTENCY_KEY_REUSED",
    "IMMUTABLE",
    "INTERNAL",
    "INVALID_AGGREGATE",
    "INVALID_BODY",
    "INVALID_CHOICE",
    "INVALID_CODE",
    "INVALID_COLOR",
    "INVALID_COUNTRY",
    "INVALID_CURRENCY",
    "INVALID_CURSOR",
    "INVALID_DOMAIN",
    "INVALID_EMAIL",
    "INVALID_FILTER",
    "INVALID_HEADER",
    "INVALID_JSON",
    "INVALID_KEY",
    "INVALID_LOCALE",
    "INVALID_NUMBER",
    "INVALID_OPERATOR",
    "INVALID_OPTION",
    "INVALID_PARAMETER",
    "INVALID_PERMISSION",
    "INVALID_PHONE",
    "INVALID_REACH",
    "INVALID_RECORD",
    "INVALID_REQUEST",
    "INVALID_TEXT",
    "INVALID_TIME_ZONE",
    "INVALID_TOKEN",
    "INVALID_TYPE",
    "INVALID_URL",
    "INVALID_USERNAME",
    "INVALID_VALUE",
    "IN_USE",
    "LAST_OWNER",
    "LIMIT_EXCEEDED",
    "METHOD_NOT_ALLOWED",
    "MFA_CODE_REQUIRED",
    "MFA_NOT_BEGUN",
    "MFA_OFF",
    "MFA_ON",
    "MFA_REQUIRED",
    "MIGRATION_ALTERED",
    "MIGRATION_FAILED",
    "MIGRATION_PENDING",
    "MISSING_REFERENCE",
    "MORE_FAULTS",
    "NOT_ACCEPTED",
    "NOT_ALLOWED",
    "NOT_A_MEMBER",
    "NOT_BY_KEY",
    "NOT_FILTERABLE",
    "NOT_FOUND",
    "NOT_LEFT_OUT",
    "NOT_REACHED",
    "NOT_SEARCHABLE",
    "NOT_SORTABLE",
    "NO_MAIL",
    "NO_TENANT",
    "ONESELF",
    "OPTION_IN_USE",
    "OTHER_ADDRESS",
    "OUT_OF_RANGE",
    "OVERLOADED",
    "OWN_NAME",
    "RATE_LIMITED",
    "REFERENCED",
    "REQUIRED",
    "SAME_EMAIL",
    "SELF_REFERENCE",
    "STALE_VERSION",
    "STOPPING",
    "TIMEOUT",
    "TOKEN_EXPIRED",
    "TOO_DEEP",
    "TOO_LONG",
    "TOO_MANY",
    "TOO_MANY_ATTEMPTS",
    "TOO_MANY_CONNECTIONS",
    "TOO_MANY_HEADERS",
    "TOO_MANY_PARAMETERS",
    "TOO_PRECISE",
    "TOO_SHORT",
    "UNAUTHENTICATED",
    "UNAVAILABLE",
    "UNKNOWN_EXPANSION",
    "UNKNOWN_FIELD",
    "UNKNOWN_KIND",
    "UNKNOWN_PARAMETER",
    "UNKNOWN_PERMISSION",
    "UNKNOWN_RECORD_TYPE",
    "UNKNOWN_ROLE",
    "UNKNOWN_SCOPE",
    "UNKNOWN_TAG",
    "UNKNOWN_USER",
    "UNSUPPORTED_MEDIA_TYPE",
    "URL_TOO_LONG",
    "USER_EXISTS",
    "VALIDATION_ERROR",
    "WORKS_ELSEWHERE",
    "WORK_PENDING",
    "WRONG_PASSWORD",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Upper-case words in the sources that are no codes of errors.
    const NO_CODES: &[&str] =
        &["DATABASE_URL", "DATABASE_URL_FILE", "CARGO_PKG_VERSION", "CARGO_MANIFEST_DIR"];

    fn sources(directory: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(fs::read_to_string(&path).unwrap());
            }
        }
    }

    fn is_code(word: &str) -> bool {
        word.contains('_')
            && word.starts_with(|c: char| c.is_ascii_uppercase())
            && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
            && !word.starts_with("CRM_")
            && !NO_CODES.contains(&word)
    }

    #[test]
    fn every_code_in_the_sources_is_listed() {
        let server = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut texts = Vec::new();
        sources(&server.join("src"), &mut texts);
        sources(&server.join("../crm-core/src"), &mut texts);
        let words = texts.iter().flat_map(|text| text.split('"'));
        let missing: BTreeSet<&str> =
            words.filter(|word| is_code(word) && !CODES.contains(word)).collect();
        assert!(missing.is_empty(), "add to openapi/codes.rs: {missing:?}");
        assert!(CODES.is_sorted(), "keep them in alphabetical order");
    }
}
