//! Which path a request is for, where a host has routes for more than one: by whole segments of the raw path.
//!
//! An app takes a path apart in its own way: it decodes, folds `//`, climbs with `..`, drops `;parameters`. A path that
//! would then belong to another route than the raw one does, or that climbs out of its route, is refused: nobody gets
//! past the border between two apps by spelling. Everything else reaches the app as it was written.

/// Whether a path is a prefix itself or lies under it. `/api` has `/api` and `/api/x`, not `/apix`; the empty one has all.
pub fn is_under(path: &[u8], prefix: &[u8]) -> bool {
    prefix.is_empty() || path.strip_prefix(prefix).is_some_and(|rest| rest.first().is_none_or(|next| *next == b'/'))
}

/// Whether a path has only one reading: nothing encoded, no dot segment, no empty segment but the last, no parameters.
pub fn is_plain(path: &str) -> bool {
    let mut before = 0;
    path.bytes().all(|byte| {
        let odd = matches!(byte, b'%' | b'\\' | b';') || (before == b'/' && matches!(byte, b'/' | b'.'));
        before = byte;
        !odd
    })
}

/// What the most thorough of apps makes of a path; none when it climbs above its beginning.
pub fn read(path: &str) -> Option<Vec<u8>> {
    let decoded = decoded(path.as_bytes());
    let mut names: Vec<&[u8]> = Vec::new();
    for segment in decoded.split(|byte| matches!(byte, b'/' | b'\\')) {
        let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()?),
            name => names.push(name),
        }
    }
    Some(names.iter().fold(Vec::new(), |mut path, name| {
        path.push(b'/');
        path.extend_from_slice(name);
        path
    }))
}

/// Percent-decoded once; what is no encoding stays.
fn decoded(path: &[u8]) -> Vec<u8> {
    let digit = |at: usize| path.get(at).and_then(|byte| (*byte as char).to_digit(16));
    let mut out = Vec::with_capacity(path.len());
    let mut at = 0;
    while let Some(byte) = path.get(at) {
        let encoded = if *byte == b'%' { digit(at + 1).zip(digit(at + 2)) } else { None };
        let encoded = encoded.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        out.push(encoded.unwrap_or(*byte));
        at += if encoded.is_some() { 3 } else { 1 };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_met_by_whole_segments() {
        for (path, prefix, under) in [
            ("/api", "/api", true),
            ("/api/", "/api", true),
            ("/api/x", "/api", true),
            ("/apix", "/api", false),
            ("/ap", "/api", false),
            ("/API", "/api", false),
            ("/", "", true),
            ("*", "", true),
            ("*", "/api", false),
        ] {
            assert_eq!(is_under(path.as_bytes(), prefix.as_bytes()), under, "{path} under {prefix}");
        }
    }

    #[test]
    fn a_path_is_read_as_the_most_thorough_app_would() {
        for (path, seen) in [
            ("/api/x", Some("/api/x")),
            ("/api/../admin", Some("/admin")),
            ("/api/%2e%2E/admin", Some("/admin")),
            ("/api/..%2fadmin", Some("/admin")),
            ("/api/..;v=1/admin", Some("/admin")),
            ("/api\\..\\admin", Some("/admin")),
            ("//api/./x/", Some("/api/x")),
            ("/%61pi", Some("/api")),
            ("/%2561pi", Some("/%61pi")),
            ("/100%", Some("/100%")),
            ("/%zz/%4", Some("/%zz/%4")),
            ("/../x", None),
            ("/x/../../y", None),
            ("/", Some("")),
        ] {
            assert_eq!(read(path).as_deref(), seen.map(str::as_bytes), "{path}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_plain_path_is_read_as_it_is_written(path in "(/[a-z.%;/\\\\2ef]{0,4}){1,5}") {
            if is_plain(&path) {
                let whole = path.strip_suffix('/').unwrap_or(&path);
                proptest::prop_assert_eq!(read(&path), Some(whole.as_bytes().to_vec()));
            }
        }
    }
}
