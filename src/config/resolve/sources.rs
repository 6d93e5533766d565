//! Files of the config directory that stages refer to: read once each, however many stages name them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::files::{TreeError, TreeFiles};
use crate::config::syntax::short;
use crate::model::hash::sha256_hex;

/// Largest file of variables, in bytes.
const MAX_ENV_FILE: u64 = 1 << 20;

/// Why a file cannot be used, and the remedy.
pub(super) type Refusal = (String, String);

/// Variables of a file.
type Lines = Result<Arc<Vec<(String, String)>>, Refusal>;

/// Reads files when asked and remembers what they held.
pub(in crate::config) struct Sources {
    files: TreeFiles,
    hashes: Mutex<BTreeMap<String, Result<String, Refusal>>>,
    variables: Mutex<BTreeMap<String, (String, Lines)>>,
}

impl Sources {
    pub(super) fn new(files: TreeFiles) -> Self {
        Self { files, hashes: Mutex::default(), variables: Mutex::default() }
    }

    /// The hash of every file that was referred to, by path.
    pub(in crate::config) fn used(&self) -> BTreeMap<String, String> {
        let hashes = lock(&self.hashes);
        let mounted = hashes.iter().filter_map(|(path, hash)| Some((path.clone(), hash.clone().ok()?)));
        let variables = lock(&self.variables);
        let read = variables.iter().map(|(path, (hash, _))| (format!("{path} (env_file)"), hash.clone()));
        mounted.chain(read).collect()
    }

    /// The path of every file and folder that was referred to, also of those that cannot be read.
    pub(in crate::config) fn paths(&self) -> BTreeSet<String> {
        lock(&self.hashes).keys().chain(lock(&self.variables).keys()).cloned().collect()
    }

    /// The hash of a file or folder that is mounted, by its path as `relative` gives it.
    pub(super) fn hash(&self, path: &str) -> Result<String, Refusal> {
        // Whoever wants the same file meanwhile waits for it: reading it twice would take longer.
        let mut hashes = lock(&self.hashes);
        if let Some(known) = hashes.get(path) {
            return known.clone();
        }
        let result = self.files.hash(path).map_err(|error| refusal(path, &error));
        hashes.insert(path.to_owned(), result.clone());
        result
    }

    /// The variables of a file as it is written in the YAML.
    pub(super) fn variables(&self, written: &str) -> Result<Vec<(String, String)>, Refusal> {
        let path = relative(written)?;
        let mut variables = lock(&self.variables);
        if let Some((_, known)) = variables.get(&path) {
            return known.clone().map(|lines| lines.to_vec());
        }
        let (hash, result) = match self.files.read(&path, MAX_ENV_FILE) {
            Ok(bytes) => (sha256_hex(&bytes), parse(&path, &bytes).map(Arc::new)),
            Err(error) => (String::new(), Err(refusal(&path, &error))),
        };
        variables.insert(path, (hash, result.clone()));
        result.map(|lines| lines.to_vec())
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refusal(path: &str, error: &TreeError) -> Refusal {
    let help = match error {
        TreeError::Missing => "paths are relative to the config directory, not to the YAML file",
        TreeError::Escapes => "copy what it leads to into the config directory",
        TreeError::Kind(_) => "name a plain file or a folder",
        TreeError::TooLarge(_) | TreeError::TooMany(_) => {
            "put it on the host and mount it from there, or build it into the image"
        }
        TreeError::Io(_) => "check its permissions and the user that Landfall runs as",
    };
    (format!("`{}` cannot be used: {error}", short(path)), help.to_owned())
}

/// A path within the config directory, normalised; `..` and absolute paths are refused.
pub(super) fn relative(written: &str) -> Result<String, Refusal> {
    let shown = short(written);
    if written.starts_with('/') {
        let help = "write it relative to the config directory, as in `./app.env`";
        return Err((format!("`{shown}` is not in the config directory"), help.to_owned()));
    }
    if written.split('/').any(|part| part == "..") {
        let help = "name files within the directory; `..` is refused";
        return Err((format!("`{shown}` leads out of the config directory"), help.to_owned()));
    }
    let parts: Vec<&str> = written.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.is_empty() {
        let help = "name a file or folder in it: every change of any file would count as a change of this one";
        return Err((format!("`{shown}` is the whole config directory"), help.to_owned()));
    }
    Ok(parts.join("/"))
}

/// Lines `NAME=value`: comments, empty lines and `export` are skipped; nothing is expanded. A message never holds a
/// value, since it may be a secret (R28).
fn parse(path: &str, bytes: &[u8]) -> Result<Vec<(String, String)>, Refusal> {
    let help = "each line is `NAME=value`, `NAME=\"value\"`, empty, or begins with `#`";
    let bad = |line: usize, why: &str| (format!("line {line} of `{}` {why}", short(path)), help.to_owned());
    let text = std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes))
        .map_err(|_| (format!("`{}` is not UTF-8 text", short(path)), "save it as UTF-8".to_owned()))?;
    let mut all = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.trim();
        let line = line.strip_prefix("export ").map_or(line, str::trim_start);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once('=').ok_or_else(|| bad(i + 1, "has no `=`"))?;
        let name = name.trim_end();
        if !super::environment::is_name(name) {
            return Err(bad(i + 1, "has no name before the `=`"));
        }
        let value =
            unquote(value.trim_start()).ok_or_else(|| bad(i + 1, "has a quote that does not end, or text after it"))?;
        if value.contains('\0') {
            return Err(bad(i + 1, "holds a NUL character"));
        }
        all.push((name.to_owned(), value));
    }
    Ok(all)
}

/// A value: literal in single quotes, with `\n`, `\t`, `\"` and `\\` in double quotes, else up to a comment.
fn unquote(value: &str) -> Option<String> {
    let is_rest = |rest: &str| rest.trim_start().is_empty() || rest.trim_start().starts_with('#');
    if let Some(inner) = value.strip_prefix('\'') {
        let (text, rest) = inner.split_once('\'')?;
        return is_rest(rest).then(|| text.to_owned());
    }
    let Some(inner) = value.strip_prefix('"') else {
        let end = if value.starts_with('#') { 0 } else { value.find(" #").unwrap_or(value.len()) };
        return Some(value[..end].trim_end().to_owned());
    };
    let (mut text, mut chars) = (String::new(), inner.chars());
    loop {
        match chars.next()? {
            '"' => return is_rest(chars.as_str()).then_some(text),
            '\\' => match chars.next()? {
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                other @ ('"' | '\\' | '$' | '\'') => text.push(other),
                other => text.extend(['\\', other]),
            },
            other => text.push(other),
        }
    }
}
