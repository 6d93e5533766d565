//! sshd as this user, with keys of its own, that lets one key in and runs git's shell for it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;

use super::git::done;
use super::repository::NAME;
use crate::own_process::{Process, TRIES, free_port, program};

/// Where sshd of Debian wants an empty directory when root runs it; nothing but its own start makes it.
const EMPTY: &str = "/run/sshd";

/// sshd, running or stopped.
pub struct Ssh {
    dir: PathBuf,
    repository: PathBuf,
    user: String,
    port: u16,
    running: Option<Process>,
}

impl Ssh {
    /// Serves what is in `served/`.
    pub fn start(dir: &Path) -> Self {
        let (ssh, repository) = (dir.join("ssh"), dir.join("served").join(NAME));
        std::fs::create_dir_all(&ssh).expect("a directory");
        if geteuid().is_root() {
            std::fs::create_dir_all(EMPTY).expect("a directory");
        }
        let mut user = Command::new("id");
        user.arg("-un");
        let mut server = Self { dir: ssh, repository, user: done(user), port: 0, running: None };
        for key in ["host", "client"] {
            server.make_key(key);
        }
        server.set_open(true);
        for _ in 0..TRIES {
            let (port, held) = free_port();
            drop(held);
            server.port = port;
            if server.launch() {
                return server;
            }
        }
        panic!("sshd does not start: {}", server.log());
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("ssh://{}@127.0.0.1:{}{}", self.user, self.port, self.repository.display())
    }

    /// The private key that gets in.
    pub fn identity(&self) -> PathBuf {
        self.dir.join("client")
    }

    /// A line of `known_hosts` with the key that it has now.
    pub fn known_host(&self) -> String {
        let key = std::fs::read_to_string(self.dir.join("host.pub")).expect("a key");
        let mut words = key.split(' ');
        let (kind, key) = (words.next().expect("a kind"), words.next().expect("a key"));
        format!("[127.0.0.1]:{} {kind} {key}\n", self.port)
    }

    /// Lets its one key in, or nobody.
    pub fn set_open(&self, is_open: bool) {
        let key = std::fs::read_to_string(self.dir.join("client.pub")).expect("a key");
        let told = self.dir.join("requests");
        // git's own shell runs what git asks for and nothing else; before, it is written down.
        let shell = format!(
            r#"command="printf '%s\n' \"$GIT_PROTOCOL $SSH_ORIGINAL_COMMAND\" >>'{}'; exec git-shell -c \"$SSH_ORIGINAL_COMMAND\"",restrict "#,
            told.display()
        );
        let line = if is_open { shell + &key } else { String::new() };
        std::fs::write(self.dir.join("authorized_keys"), line).expect("a file");
    }

    /// Has another key of its own from now on, as after a new installation, or as somebody else would have.
    pub fn change_host_key(&mut self) {
        self.stop();
        self.make_key("host");
        self.start_again();
    }

    /// Takes connections and says nothing on them, or goes on with all of that.
    pub fn set_silent(&self, is_silent: bool) {
        self.running.as_ref().expect("it runs").set_silent(is_silent);
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.running = None;
    }

    /// Starts it again, on the port that it had.
    pub fn start_again(&mut self) {
        assert!(self.running.is_some() || self.launch(), "sshd does not start again: {}", self.log());
    }

    /// What was asked of git by those who got in: the protocol they named, and the command.
    pub fn requests(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.dir.join("requests")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// What sshd says.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    fn make_key(&self, name: &str) {
        let file = self.dir.join(name);
        let _ = std::fs::remove_file(&file);
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", "ed25519", "-N", "", "-C", "landfall-test", "-f"]).arg(&file);
        done(command);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("its mode");
    }

    /// False when the port was taken.
    fn launch(&mut self) -> bool {
        let pid = self.dir.join("pid");
        let _ = std::fs::remove_file(&pid);
        std::fs::write(self.dir.join("sshd.conf"), self.conf()).expect("a file");
        let mut command = Process::command(&program("sshd"));
        command.args(["-D", "-e", "-f"]).arg(self.dir.join("sshd.conf"));
        // Written once it listens.
        let is_ready = || std::fs::read_to_string(&pid).is_ok_and(|text| !text.trim().is_empty());
        self.running = Process::start(command, &self.dir.join("log"), is_ready);
        self.running.is_some()
    }

    fn conf(&self) -> String {
        let dir = self.dir.display();
        let path = std::env::var("PATH").expect("a PATH of text");
        format!(
            "ListenAddress 127.0.0.1:{}\nHostKey {dir}/host\nPidFile {dir}/pid\nAuthorizedKeysFile {dir}/authorized_keys\n\
             AuthenticationMethods publickey\nPermitRootLogin yes\nStrictModes no\nUsePAM no\nUseDNS no\n\
             AcceptEnv GIT_PROTOCOL\nPermitUserEnvironment no\nLogLevel VERBOSE\n\
             SetEnv PATH=\"{path}\" GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null\n",
            self.port
        )
    }
}
