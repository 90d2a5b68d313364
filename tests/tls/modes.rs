//! Each `sslmode` against servers with TLS and without, and with certificates of every kind.

use crate::authority::{Authority, Validity, self_signed, write};
use crate::server::{PASSWORD, Server, count, counts, refuses};
use crate::support::replica::{command, run};

fn with_root(mode: &str, server: &Server) -> String {
    format!("sslmode={mode} sslrootcert={}", server.root.display())
}

#[test]
fn each_mode_on_a_server_with_tls() {
    let server = Server::shared();
    let (ca, full) = (with_root("verify-ca", &server), with_root("verify-full", &server));
    for options in ["", "sslmode=allow", "sslmode=prefer", "sslmode=require", &ca, &full] {
        counts(&server.url("tls_only", options));
    }
    // What insists on plain text gets it where that is allowed.
    for options in ["", "sslmode=disable", "sslmode=allow", "sslmode=prefer"] {
        counts(&server.url("plain_only", options));
    }
    counts(&server.url("either", "sslmode=disable"));
    let (code, said) = count(&server.url("tls_only", "sslmode=disable"));
    assert!(code == Some(1) && said.contains("28000"), "{code:?} {said}");
    for options in ["sslmode=require", &ca, &full] {
        let (code, said) = count(&server.url("plain_only", options));
        assert!(code == Some(1) && said.contains("28000"), "{code:?} {said}");
    }
}

#[test]
fn each_mode_on_a_server_without_tls() {
    let server = Server::without_tls();
    for options in ["", "sslmode=disable", "sslmode=allow", "sslmode=prefer"] {
        counts(&server.url("plain_only", options));
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        refuses(&server.url("either", &with_root(mode, &server)), "the server has none");
    }
    refuses(&server.url("either", "sslmode=require"), "sslmode=require): the server has none");
    // It has the connection, and reads TLS where it expects a question.
    refuses(&server.url("either", "sslmode=require sslnegotiation=direct"), "sslmode=require");
    // Over its Unix socket nothing is encrypted, whatever is asked for.
    counts(&format!("{} sslmode=require", server.local()));
}

#[test]
fn a_server_is_verified_as_far_as_is_asked() {
    let server = Server::shared();
    let stranger = Authority::new("a stranger");
    let stranger = write(server.folder.path(), "stranger.pem", &stranger.certificate, 0o644);
    for mode in ["require", "verify-ca", "verify-full"] {
        let options = format!("sslmode={mode} sslrootcert={}", stranger.display());
        refuses(&server.url("tls_only", &options), "by an authority that is not known");
    }
    // Of all that the system knows none is ours.
    refuses(&server.url("tls_only", "sslrootcert=system"), "");
    for host in ["elsewhere.example", "127.0.0.2"] {
        counts(&server.url_as(host, "tls_only", &with_root("verify-ca", &server)));
        let (url, why) = (server.url_as(host, "tls_only", &with_root("verify-full", &server)), "and not for");
        refuses(&url, &format!("{why} {host}"));
    }
    // A way in plain text is taken where TLS is only preferred; the server's rules decide about it.
    let options = format!("sslmode=prefer sslrootcert={}", stranger.display());
    counts(&server.url("either", &options));
    refuses(&server.url("tls_only", &options), "by an authority that is not known");
}

#[test]
fn certificates_of_every_kind() {
    let server = Server::without_tls();
    let options = with_root("verify-full", &server);
    let (url, unverified) = (server.url("tls_only", &options), server.url("tls_only", "sslmode=require"));
    let authority = &server.authority;
    for (identity, why) in [
        (authority.server(&["localhost"], Validity::Over), "has expired"),
        (authority.server(&["localhost"], Validity::Later), "not valid yet"),
        (authority.server(&["db.example", "*.db.example"], Validity::Now), "and not for localhost"),
        (authority.common_name("db.example"), "for no host at all"),
        (
            Authority::new("another").server(&["localhost"], Validity::Now),
            "by an authority that is not known",
        ),
        (self_signed("localhost", Validity::Now), "by an authority that is not known"),
    ] {
        server.present(&identity);
        refuses(&url, why);
        counts(&unverified);
    }
    // Names as Postgres's own library reads them.
    let names: [(&[&str], &str); 4] = [
        (&["127.0.0.1"], "127.0.0.1"),
        (&["*.db.example"], "a.db.example"),
        (&["db_1"], "db_1"),
        (&["localhost", "127.0.0.1"], "127.0.0.1"),
    ];
    for (names, host) in names {
        server.present(&authority.server(names, Validity::Now));
        counts(&server.url_as(host, "tls_only", &options));
    }
    server.present(&authority.common_name("localhost"));
    counts(&url);
    // A certificate that is its own authority is believed where it is listed, for as long as it is valid.
    for (validity, expected) in [(Validity::Now, None), (Validity::Over, Some("has expired"))] {
        let own = self_signed("localhost", validity);
        let listed = write(server.folder.path(), "own.pem", &own.certificate, 0o644);
        server.present(&own);
        let options = format!("sslmode=verify-full sslrootcert={}", listed.display());
        match expected {
            None => counts(&server.url("tls_only", &options)),
            Some(why) => refuses(&server.url("tls_only", &options), why),
        }
        refuses(&server.url_as("elsewhere.example", "tls_only", &options), expected.unwrap_or("and not for"));
    }
}

#[test]
fn a_client_shows_its_certificate() {
    let server = Server::shared();
    let folder = server.folder.path();
    let files = |name: &str, identity: &crate::authority::Identity| {
        let certificate = write(folder, &format!("{name}.pem"), &identity.certificate, 0o644);
        let key = write(folder, &format!("{name}.key"), &identity.key, 0o600);
        format!("sslmode=require sslcert={} sslkey={}", certificate.display(), key.display())
    };
    let right = files("right", &server.authority.client("by_certificate"));
    counts(&server.url("by_certificate", &right));
    counts(&server.url("by_certificate", &format!("{right} sslnegotiation=direct")));
    let (code, said) = count(&server.url("by_certificate", "sslmode=require"));
    assert!(code == Some(1) && said.contains("28000"), "{code:?} {said}");
    let other = files("other", &server.authority.client("somebody"));
    let (code, said) = count(&server.url("by_certificate", &other));
    assert!(code == Some(1) && said.contains("28000"), "{code:?} {said}");
    let stranger = files("strange", &Authority::new("a stranger").client("by_certificate"));
    refuses(&server.url("by_certificate", &stranger), "does not accept our certificate");
}

#[test]
fn a_password_is_bound_to_the_channel() {
    let server = Server::shared();
    let password = format!("password='{}'", PASSWORD.replace('\\', "\\\\"));
    for options in [
        "sslmode=disable",
        "sslmode=require",
        "sslmode=require channel_binding=disable",
        "sslmode=require channel_binding=prefer",
        "sslmode=require channel_binding=require",
        "sslmode=require channel_binding=require sslnegotiation=direct",
        "channel_binding=require",
    ] {
        counts(&server.url("by_password", &format!("{options} {password}")));
    }
    // What signs in without a password has nothing to bind.
    refuses(&server.url("tls_only", "sslmode=require channel_binding=require"), "channel binding");
    refuses(&server.url("either", "sslmode=disable channel_binding=require"), "channel_binding=require");
    let plain = Server::without_tls();
    refuses(&plain.url("by_password", &format!("channel_binding=require {password}")), "channel binding");
    counts(&plain.url("by_password", &password));
}

#[test]
fn tls_begins_at_once_where_it_is_to() {
    let server = Server::shared();
    counts(&server.url("tls_only", "sslmode=require sslnegotiation=direct"));
    counts(&server.url("tls_only", &format!("{} sslnegotiation=direct", with_root("verify-full", &server))));
    refuses(&server.url("tls_only", "sslnegotiation=direct"), "needs sslmode=require");
}

/// `system` is whatever the system's own list says, here a file of the test's.
#[test]
fn the_authorities_of_the_system_are_known() {
    let server = Server::shared();
    let url = server.url("tls_only", "sslrootcert=system");
    let mut count = command();
    count.env("DATABASE_URL", &url).env("SSL_CERT_FILE", &server.root).args(["count", "people"]);
    let (code, out, err) = run(&mut count);
    assert!(code == Some(0) && out.trim().parse::<u64>().is_ok(), "{err}");
}
