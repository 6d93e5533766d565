//! Where the next page of an answer is: the `Link` header. Pure.

use reqwest::header::{HeaderMap, LINK};

/// The target with `rel="next"`, as it is written: an address, or a path of the registry.
pub(super) fn next(headers: &HeaderMap) -> Option<String> {
    let texts = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(links).find(|(_, is_next)| *is_next).map(|(target, _)| target.to_owned())
}

/// Splits `</a?n=2>; rel="next", </b>; rel=last`: each target, and whether it is the next one.
fn links(text: &str) -> Vec<(&str, bool)> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some((target, after)) = rest.split_once('<').and_then(|(_, link)| link.split_once('>')) {
        let end = after.find('<').unwrap_or(after.len());
        let (parameters, others) = after.split_at(end);
        all.push((target.trim(), parameters.split([';', ',']).any(is_next)));
        rest = others;
    }
    all
}

/// `rel="next"`, `rel=next` and `rel="last next"`.
fn is_next(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    let mut kinds = value.trim().trim_matches('"').split_ascii_whitespace();
    name.trim().eq_ignore_ascii_case("rel") && kinds.any(|kind| kind.eq_ignore_ascii_case("next"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> Option<String> {
        next(&texts.iter().map(|text| (LINK, text.parse().unwrap())).collect())
    }

    #[test]
    fn the_next_page_is_found_however_the_header_is_written() {
        let page = Some("/v2/a/tags/list?last=b&n=2".to_owned());
        assert_eq!(of(&["</v2/a/tags/list?last=b&n=2>; rel=\"next\""]), page);
        assert_eq!(of(&["</v2/a/tags/list?last=b&n=2>;rel=next"]), page);
        assert_eq!(
            of(&["</first>; rel=\"first\", </v2/a/tags/list?last=b&n=2>; title=\"x\"; REL=\"last Next\""]),
            page
        );
        assert_eq!(of(&["</first>; rel=first", "</v2/a/tags/list?last=b&n=2>; rel=next"]), page);
        let absolute = of(&["<https://r.example.com/v2/a/tags/list?last=b,c>; rel=next"]);
        assert_eq!(absolute.unwrap(), "https://r.example.com/v2/a/tags/list?last=b,c");
    }

    #[test]
    fn without_a_next_page_there_is_none() {
        for text in ["", "</a>", "</a>; rel=prev", "/a; rel=next", "</a; rel=next", "</a>; rel", "</a>; title=next"] {
            assert_eq!(of(&[text]), None, "{text}");
        }
    }
}
