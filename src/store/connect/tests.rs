use super::*;

#[test]
fn what_the_user_set_for_silence_stays() {
    let mut given: Config =
        "host=a user=b connect_timeout=7 tcp_user_timeout=8 keepalives_idle=9 keepalives_interval=6"
            .parse()
            .unwrap();
    bound_silence(&mut given);
    assert_eq!(given.get_connect_timeout(), Some(&Duration::from_secs(7)));
    assert_eq!(given.get_tcp_user_timeout(), Some(&Duration::from_secs(8)));
    assert_eq!(given.get_keepalives_idle(), Duration::from_secs(9));
    assert_eq!(given.get_keepalives_interval(), Some(Duration::from_secs(6)));
    assert_eq!(Connector::new(given).connect_timeout(), Duration::from_secs(7));
    let mut bare: Config = "host=a user=b".parse().unwrap();
    bound_silence(&mut bare);
    assert_eq!(bare.get_tcp_user_timeout(), Some(&UNACKNOWLEDGED));
    assert_eq!(bare.get_keepalives_idle(), KEEPALIVE_IDLE);
    assert_eq!(bare.get_keepalives_interval(), Some(KEEPALIVE_INTERVAL));
    assert_eq!(Connector::new(bare).connect_timeout(), CONNECT_TIMEOUT);
}

#[test]
fn a_silent_host_is_tried_after_the_others() {
    let connector = Connector::new("host=a,b,c user=d".parse::<Config>().unwrap());
    let order = || connector.hosts();
    assert_eq!(order(), [(0, false), (1, false), (2, false)]);
    connector.avoid(0);
    assert_eq!(order(), [(1, false), (2, false), (0, true)]);
}
