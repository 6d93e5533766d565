//! What `landfall doctor` says of a Caddy, and of the kernel below it.

use super::ground::Behind;
use crate::caddy::versions;
use crate::cli::landfall;

#[tokio::test(flavor = "multi_thread")]
async fn a_new_caddy_of_this_host_gets_a_hint_where_the_kernel_does_not_keep_what_comes_in_and_is_well() {
    let kernel = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_migrate_req").unwrap_or_default();
    for version in versions() {
        let behind = Behind::at_v1(&version).await;
        let said = landfall(&behind.host, &["doctor"]).await;
        assert!(said.code == 0 && said.out.contains("ok   proxy: caddy "), "{said:?}");
        let is_told = said.out.contains("ok   proxy port: ") && said.out.contains("sysctl net.ipv4.tcp_migrate_req=1");
        assert_eq!(is_told, said.out.contains("2.8 or newer") && kernel.trim() == "0", "{kernel}: {}", said.out);
        // Where it is a container, its network is another one.
        behind.settings("upstream: network");
        let said = landfall(&behind.host, &["doctor"]).await;
        assert!(said.out.contains("ok   proxy: caddy ") && !said.out.contains("tcp_migrate_req"), "{said:?}");
    }
}
