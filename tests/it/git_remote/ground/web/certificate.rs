//! An authority of our own, and a certificate from it for 127.0.0.1 and localhost.

use std::path::Path;
use std::process::Command;

use crate::git_remote::ground::git::done;

/// Both are used for the time of a test.
const DAYS: &str = "2";
const EXTENSIONS: &str = "[req]
distinguished_name = name
prompt = no
[name]
CN = landfall-test
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[server]
subjectAltName = IP:127.0.0.1, DNS:localhost
";

/// Writes `authority.pem`, `server.pem` and `server.key`.
pub fn make(dir: &Path) {
    std::fs::write(dir.join("openssl.cnf"), EXTENSIONS).expect("a file");
    let certificate = |who: &str, more: &[&str]| {
        let mut command = Command::new("openssl");
        command.current_dir(dir).args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
        command.args(["-nodes", "-days", DAYS, "-config", "openssl.cnf", "-subj", &format!("/CN=landfall-test-{who}")]);
        command.args(["-extensions", who, "-out", &format!("{who}.pem"), "-keyout", &format!("{who}.key")]);
        command.args(more);
        done(command);
    };
    certificate("authority", &[]);
    certificate("server", &["-CA", "authority.pem", "-CAkey", "authority.key"]);
}
