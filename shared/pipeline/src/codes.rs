//! The codes of diagnostics, and the page about each.

/// The file, or what stands beside it, cannot be read.
pub(crate) const UNREADABLE: &str = "TM0100";
/// Not YAML.
pub(crate) const NOT_YAML: &str = "TM0101";
/// A limit on the file's size, nesting or aliases.
pub(crate) const LIMIT: &str = "TM0102";
/// A key that does not exist.
pub(crate) const UNKNOWN_KEY: &str = "TM0103";
/// A key that is missing.
pub(crate) const MISSING_KEY: &str = "TM0104";
/// A value of the wrong kind.
pub(crate) const WRONG_KIND: &str = "TM0105";
/// A name that is not possible.
pub(crate) const ILLEGAL_NAME: &str = "TM0106";
/// A duration that does not fit.
pub(crate) const DURATION: &str = "TM0107";
/// An event schema that is not possible.
pub(crate) const SCHEMA: &str = "TM0108";
/// A schema path that leaves the file's folder.
pub(crate) const PATH: &str = "TM0109";
/// A field that the event schema does not have.
pub(crate) const UNKNOWN_FIELD: &str = "TM0110";
/// A field of a type that cannot be id, time or key.
pub(crate) const FIELD_TYPE: &str = "TM0111";
/// A number outside its bounds.
pub(crate) const OUT_OF_RANGE: &str = "TM0112";
/// A name that is taken.
pub(crate) const DUPLICATE: &str = "TM0113";
/// A reason code that Tidemill uses itself.
pub(crate) const RESERVED: &str = "TM0114";
/// A part of the design that is not built yet.
pub(crate) const NOT_YET: &str = "TM0115";
/// `of` missing, or where it has no place.
pub(crate) const COLUMN: &str = "TM0116";
/// Too many of something.
pub(crate) const TOO_MANY: &str = "TM0117";
/// A word that is none of the choices.
pub(crate) const UNKNOWN_CHOICE: &str = "TM0118";
/// A key that is read but does not act yet.
pub(crate) const NO_EFFECT_YET: &str = "TM0119";
/// A text feature where a model is trained.
pub(crate) const TEXT_NOT_LEARNED: &str = "TM0120";
/// `source.topic` is no upstream's, or `source.format` is there without it.
pub(crate) const UPSTREAM: &str = "TM0125";
/// An applied pipeline cannot change its partitions.
pub(crate) const PARTITIONS_CHANGED: &str = "TM0131";
/// A change of the event schema that readers do not survive.
pub(crate) const FIELD_CHANGED: &str = "TM0132";
/// An entity that went, or came in another place than the end.
pub(crate) const ENTITIES_CHANGED: &str = "TM0133";
/// An entity's key changed.
pub(crate) const KEY_CHANGED: &str = "TM0134";
/// The id or time of events is another field.
pub(crate) const IDENTITY_CHANGED: &str = "TM0135";
/// A feature column changed its type.
pub(crate) const COLUMN_CHANGED: &str = "TM0136";
/// The pipeline's name changed.
pub(crate) const NAME_CHANGED: &str = "TM0137";

macro_rules! pages {
    ($($code:literal)*) => {
        &[$(($code, include_str!(concat!("../../../docs/codes/", $code, ".md"))),)*]
    };
}

/// Every code that Tidemill knows, with its page. `TM02xx` are those of expressions.
const PAGES: &[(&str, &str)] = pages![
    "TM0100" "TM0101" "TM0102" "TM0103" "TM0104" "TM0105" "TM0106" "TM0107"
    "TM0108" "TM0109" "TM0110" "TM0111" "TM0112" "TM0113" "TM0114" "TM0115"
    "TM0116" "TM0117" "TM0118" "TM0119" "TM0120" "TM0125" "TM0131" "TM0132"
    "TM0133" "TM0134" "TM0135" "TM0136" "TM0137" "TM0201" "TM0202" "TM0203"
    "TM0204" "TM0205" "TM0206" "TM0207" "TM0208" "TM0209" "TM0210"
];

/// The page about a diagnostic code (`TM0107`, in any case), in Markdown.
#[must_use]
pub fn explain(code: &str) -> Option<&'static str> {
    PAGES.iter().find(|(known, _)| known.eq_ignore_ascii_case(code)).map(|(_, page)| *page)
}

#[cfg(test)]
mod tests {
    use super::{PAGES, explain};
    use std::path::Path;

    #[test]
    fn every_page_in_docs_is_known_and_begins_with_its_code() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/codes");
        let mut files: Vec<String> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        let known: Vec<String> = PAGES.iter().map(|(code, _)| format!("{code}.md")).collect();
        assert_eq!(files, known, "add a page's code to PAGES, in order");
        for (code, page) in PAGES {
            assert!(page.starts_with(&format!("# {code}: ")), "{code}");
        }
    }

    #[test]
    fn explains_codes_in_any_case() {
        assert!(explain("tm0107").is_some_and(|page| page.contains("duration")));
        assert_eq!(explain("TM9999"), None);
    }
}
