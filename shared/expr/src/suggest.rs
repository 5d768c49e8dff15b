//! "Did you mean": the known name nearest to a misspelt one.

/// The candidate nearest to `name` by edit distance, as a help text; `None` if none is near.
///
/// Near is one edit for each three letters, and at least one.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let limit = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| format!("did you mean `{candidate}`?"))
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn finds_the_nearest_name_and_nothing_far() {
        let names = ["amount", "account", "event_time"];
        assert_eq!(did_you_mean("amonut", names), Some("did you mean `amount`?".to_owned()));
        assert_eq!(did_you_mean("eventtime", names), Some("did you mean `event_time`?".to_owned()));
        assert_eq!(did_you_mean("x", names), None);
        assert_eq!(did_you_mean("total", names), None);
    }
}
