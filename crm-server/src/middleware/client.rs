//! Where a request comes from, also from behind proxies.

use std::net::{IpAddr, SocketAddr};

use poem::Request;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address of the client, where so many proxies of ours stand in front. Each of them appends
/// the address that it was called from; what stands further left anybody could have written.
pub(super) fn address(request: &Request, proxies: usize) -> Option<IpAddr> {
    let peer = request.remote_addr().as_socket_addr().map(SocketAddr::ip);
    if proxies == 0 {
        return peer;
    }
    let headers = request.headers().get_all(FORWARDED_FOR);
    let hops: Vec<&str> =
        headers.iter().filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(',')).collect();
    let hop = hops.len().checked_sub(proxies).and_then(|place| hops.get(place));
    hop.and_then(|hop| parse(hop.trim())).or(peer)
}

fn parse(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(forwarded: &[&str], proxies: usize) -> Option<String> {
        let mut request = Request::builder();
        for value in forwarded {
            request = request.header(FORWARDED_FOR, *value);
        }
        address(&request.finish(), proxies).map(|address| address.to_string())
    }

    #[test]
    fn only_what_our_own_proxies_wrote_is_believed() {
        let forged = ["6.6.6.6, 203.0.113.7", "10.0.0.1"];
        assert_eq!(seen(&forged, 0), None);
        assert_eq!(seen(&forged, 1).as_deref(), Some("10.0.0.1"));
        assert_eq!(seen(&forged, 2).as_deref(), Some("203.0.113.7"));
        assert_eq!(seen(&["nonsense"], 1), None);
        assert_eq!(seen(&[], 1), None);
    }

    #[test]
    fn addresses_come_with_and_without_ports() {
        for (text, address) in [
            ("203.0.113.7:4711", "203.0.113.7"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
        ] {
            assert_eq!(seen(&[text], 1).as_deref(), Some(address));
        }
    }
}
