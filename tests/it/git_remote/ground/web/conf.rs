//! What nginx is told.

use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use super::{Fault, RETRY_AFTER_S};

/// The path of a request of the ground itself.
pub const MARK: &str = "/mark";
/// All that can be wrong.
pub const FAULTS: [Fault; 7] =
    [Fault::Forbidden, Fault::Gone, Fault::Busy, Fault::Broken, Fault::Unavailable, Fault::Closes, Fault::Slow];

/// The file that says that this is wrong.
pub fn fault(dir: &Path, fault: Fault) -> PathBuf {
    dir.join(format!("fault/{fault:?}"))
}

/// What is done where it is there.
fn effect(fault: Fault) -> &'static str {
    match fault {
        Fault::Forbidden => "return 403",
        Fault::Gone => "return 404",
        Fault::Busy => "return 429",
        Fault::Broken => "return 500",
        Fault::Unavailable => "return 503",
        Fault::Closes => "return 444",
        Fault::Slow => "set $rate 16",
    }
}

/// The file. Paths that are not absolute are below its prefix.
pub fn text(dir: &Path, (http, https): (u16, u16), backend: &Path) -> String {
    let at = dir.display();
    let user = if geteuid().is_root() { "user root root;\n" } else { "" };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("  {name}_temp_path run/{name};\n"))
        .concat();
    let faults: String =
        FAULTS.map(|kind| format!("    if (-f {}) {{ {}; }}\n", fault(dir, kind).display(), effect(kind))).concat();
    let backend = backend.display();
    format!(
        r#"{user}daemon off;
master_process off;
pid run/nginx.pid;
error_log logs/error.log warn;
events {{ worker_connections 128; }}
http {{
  log_format asked escape=json '{{"method":"$request_method","host":"$host","uri":"$request_uri","status":$status,'
    '"sent":$bytes_sent,"authorization":"$http_authorization","protocol":"$http_git_protocol"}}';
  access_log logs/requests asked;
  client_max_body_size 64m;
{temporary}  map $status $retry {{ 429 {RETRY_AFTER_S}; default ""; }}
  ssl_certificate server.pem;
  ssl_certificate_key server.key;
  server {{
    listen 127.0.0.1:{http};
    listen 127.0.0.1:{https} ssl;
    set $rate 0;
{faults}    add_header Retry-After $retry always;
    limit_rate $rate;
    fastcgi_param SCRIPT_FILENAME {backend};
    fastcgi_param GIT_PROJECT_ROOT {at}/../served;
    fastcgi_param GIT_HTTP_EXPORT_ALL 1;
    fastcgi_param GIT_PROTOCOL $http_git_protocol;
    fastcgi_param PATH_INFO /$repository;
    fastcgi_param QUERY_STRING $query_string;
    fastcgi_param REQUEST_METHOD $request_method;
    fastcgi_param CONTENT_TYPE $content_type;
    fastcgi_param CONTENT_LENGTH $content_length;
    fastcgi_param REMOTE_ADDR $remote_addr;
    fastcgi_param REMOTE_USER $remote_user;
    location = {MARK} {{ return 204; }}
    location ~ ^/git/(?<repository>.*)$ {{
      auth_basic git;
      auth_basic_user_file people;
      fastcgi_pass unix:{at}/run/cgi;
    }}
    location ~ ^/public/(?<repository>.*)$ {{
      fastcgi_pass unix:{at}/run/cgi;
    }}
    location ~ ^/moved/(?<repository>.*)$ {{
      return 302 https://localhost:{https}/git/$repository$is_args$args;
    }}
  }}
}}
"#
    )
}
