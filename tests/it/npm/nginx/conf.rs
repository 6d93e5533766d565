//! The text of nginx files: the main one, and one per host. The directives that can be seen from outside are the real
//! one's; the text is our own.

use serde_json::Value;

use crate::npm::kind::Kind;
use crate::npm::row::Row;

/// What answers for names that no host has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefaultSite {
    /// A page at `/`, 404 below it.
    Congratulations,
    /// 404.
    NotFound,
    /// Nothing: the connection is closed.
    NoAnswer,
    /// 301 to an address.
    Redirect(String),
}

impl DefaultSite {
    /// Its file.
    pub fn text(&self, http: &str) -> String {
        let answer = match self {
            Self::Congratulations => {
                "location = / { return 200 '<h1>Congratulations!</h1>'; }\n  location / { return 404; }".to_owned()
            }
            Self::NotFound => "location / { return 404; }".to_owned(),
            Self::NoAnswer => "location / { return 444; }".to_owned(),
            Self::Redirect(to) => format!("location / {{ return 301 {to}; }}"),
        };
        format!(
            "server {{\n  listen {http} default_server;\n  server_name nobody;\n  default_type text/html;\n  {answer}\n}}\n"
        )
    }
}

/// The certificate of a host.
#[derive(Debug, Clone)]
pub struct Tls {
    pub certificate: String,
    pub key: String,
}

/// A host, ready to be written down.
pub struct Site<'r> {
    pub row: &'r Row,
    pub tls: Option<Tls>,
    /// What the access list says, as lines.
    pub access: String,
}

/// The main file. Hosts are read in the order of the real one's directories. Paths are relative to the prefix, which in
/// a container has another name than outside.
pub fn main(https: &str, resolver: &str, is_root: bool) -> String {
    let user = if is_root { "user root root;\n" } else { "" };
    let pages: String = ["default_host", "proxy_host", "redirection_host", "dead_host", "temp"]
        .map(|name| format!("  include {name}/*.conf;\n"))
        .concat();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("  {name}_temp_path run/{name};\n"))
        .concat();
    format!(
        "{user}daemon off;\nworker_processes 1;\npid run/nginx.pid;\nerror_log logs/error.log warn;\n\
         events {{ worker_connections 1024; }}\nhttp {{\n  access_log off;\n  server_tokens off;\n\
         \x20 keepalive_timeout 90s;\n  client_max_body_size 2000m;\n  server_names_hash_bucket_size 1024;\n\
         \x20 proxy_connect_timeout 90s;\n  proxy_read_timeout 90s;\n  proxy_http_version 1.1;\n\
         \x20 resolver {resolver} valid=1s ipv6=off;\n  resolver_timeout 1s;\n{temporary}\
         \x20 map $http_x_forwarded_proto $x_forwarded_proto {{ http http; https https; default $scheme; }}\n\
         \x20 map $http_x_forwarded_scheme $x_forwarded_scheme {{ http http; https https; default $scheme; }}\n\
         \x20 server {{\n    listen {https} ssl default_server;\n    server_name nobody;\n\
         \x20   ssl_reject_handshake on;\n  }}\n{pages}}}\n"
    )
}

impl Site<'_> {
    /// The file of the host. Nothing is escaped, as nothing is in the real one's: what a field holds takes effect.
    pub fn text(&self, http: &str, https: &str, modern: bool) -> String {
        let row = self.row;
        let names = row.names().collect::<Vec<_>>();
        let comment = format!("# {}\n", names.join(", "));
        if !row.is("enabled") {
            return comment;
        }
        let subdomains = if row.is("hsts_subdomains") { " includeSubDomains;" } else { "" };
        let map = format!("map $scheme $hsts_header {{ https \"max-age=63072000;{subdomains} preload\"; }}\n");
        let listen = self.listen(http, https, modern);
        let target = if row.kind == Kind::Proxy { target(row) } else { String::new() };
        let log = format!("  error_log logs/{}-{}.log warn;\n", row.kind.dir(), row.id);
        let (force, hsts) = (self.force_ssl(), self.hsts());
        let upgrade = upgrade(row);
        let (locations, has_root) = self.locations();
        let own_root = has_root || has_root_location(row.text("advanced_config"));
        let root = if own_root { String::new() } else { self.root() };
        let advanced = row.text("advanced_config");
        let names = names.join(" ");
        format!(
            "{comment}{map}server {{\n{target}{listen}  server_name {names};\n{hsts}{force}{upgrade}{log}\n{advanced}\n\n\
             {locations}{root}}}\n"
        )
    }

    fn listen(&self, http: &str, https: &str, modern: bool) -> String {
        let plain = format!("  listen {http};\n");
        let Some(tls) = &self.tls else { return plain };
        let wants = self.row.is("http2_support");
        let (form, line) = match (wants, modern) {
            (true, true) => ("", "  http2 on;\n"),
            (true, false) => (" http2", ""),
            (false, _) => ("", ""),
        };
        let Tls { certificate, key } = tls;
        format!(
            "{plain}  listen {https} ssl{form};\n{line}  ssl_certificate {certificate};\n  ssl_certificate_key {key};\n"
        )
    }

    fn force_ssl(&self) -> String {
        if self.tls.is_none() || !self.row.is("ssl_forced") {
            return String::new();
        }
        let trusts = if self.row.is("trust_forwarded_proto") { "yes" } else { "no" };
        format!(
            "  set $over \"${{scheme}} {trusts} $http_x_forwarded_proto$http_x_forwarded_scheme\";\n\
             \x20 set $plain \"\";\n  if ($scheme = http) {{ set $plain yes; }}\n\
             \x20 if ($over ~ \"^http yes (https)+$\") {{ set $plain \"\"; }}\n\
             \x20 if ($plain = yes) {{ return 301 https://$host$request_uri; }}\n"
        )
    }

    fn hsts(&self) -> String {
        let on = self.tls.is_some() && self.row.is("ssl_forced") && self.row.is("hsts_enabled");
        if on { "  add_header Strict-Transport-Security $hsts_header always;\n".to_owned() } else { String::new() }
    }

    fn root(&self) -> String {
        let row = self.row;
        let (upgrade, hsts) = (upgrade(row), self.hsts());
        let body = match row.kind {
            Kind::Proxy => format!(
                "{}{upgrade}  add_header X-Served-By $host;\n  proxy_set_header Host $host;\n\
                 \x20 proxy_set_header X-Forwarded-Scheme $x_forwarded_scheme;\n\
                 \x20 proxy_set_header X-Forwarded-Proto $x_forwarded_proto;\n\
                 \x20 proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n\
                 \x20 proxy_set_header X-Real-IP $remote_addr;\n\
                 \x20 proxy_pass $forward_scheme://$server:$port$request_uri;\n",
                self.access
            ),
            Kind::Redirection => {
                let scheme = match row.text("forward_scheme") {
                    "http" => "http",
                    "https" => "https",
                    _ => "$scheme",
                };
                let rest = if row.is("preserve_path") { "$request_uri" } else { "" };
                let (code, name) = (row.number("forward_http_code"), row.text("forward_domain_name"));
                format!("  return {code} {scheme}://{name}{rest};\n")
            }
            Kind::Dead => "  return 404;\n".to_owned(),
        };
        format!("  location / {{\n{hsts}{body}  }}\n")
    }

    fn locations(&self) -> (String, bool) {
        let mut text = String::new();
        let mut has_root = false;
        for location in self.row.fields.get("locations").and_then(Value::as_array).into_iter().flatten() {
            let field = |name: &str| location[name].as_str().unwrap_or_default();
            let (host, path) = match field("forward_host").split_once('/') {
                Some((host, path)) => (host, format!("/{path}")),
                None => (field("forward_host"), field("forward_path").to_owned()),
            };
            has_root |= field("path") == "/";
            let (scheme, port) = (field("forward_scheme"), &location["forward_port"]);
            text += &format!(
                "  location {} {{\n{}\n  proxy_set_header Host $host;\n  proxy_set_header X-Forwarded-Proto $scheme;\n\
                 \x20 proxy_set_header X-Forwarded-For $remote_addr;\n  proxy_pass {scheme}://{host}:{port}{path};\n{}{}  }}\n",
                field("path"),
                field("advanced_config"),
                self.access,
                upgrade(self.row),
            );
        }
        (text, has_root)
    }
}

fn target(row: &Row) -> String {
    let (scheme, host, port) = (row.text("forward_scheme"), row.text("forward_host"), row.number("forward_port"));
    format!("  set $forward_scheme {scheme};\n  set $server \"{host}\";\n  set $port {port};\n")
}

fn upgrade(row: &Row) -> String {
    if !row.is("allow_websocket_upgrade") {
        return String::new();
    }
    "  proxy_set_header Upgrade $http_upgrade;\n  proxy_set_header Connection $http_connection;\n".to_owned()
}

/// Whether somebody's own text serves the root.
fn has_root_location(text: &str) -> bool {
    text.split([';', '\n', '{', '}']).any(|part| {
        let words: Vec<&str> = part.split_whitespace().collect();
        words == ["location", "/"]
    })
}
