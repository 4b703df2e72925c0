//! Which addresses are of the public Internet, and which are not, whatever they are dressed as.
//!
//! After IANA's special-purpose registries for IPv4 and IPv6 (RFC 6890), and what clouds add to them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// A cloud's metadata service: whoever asks it gets the machine's own credentials.
pub(super) const METADATA: &str = "a cloud's metadata service";
const PRIVATE: &str = "a private address";
const LOCAL: &str = "a link-local address";
const LOOPBACK: &str = "this machine itself";
const MANY: &str = "a multicast address";
const PAPER: &str = "an address for documentation or benchmarks";
const RESERVED: &str = "a reserved address";

/// The first that holds an address says what it is.
const SPECIAL: &[(IpNet, &str)] = &[
    (v4([169, 254, 169, 254], 32), METADATA),
    // Amazon's credentials of ECS tasks and of EKS pods.
    (v4([169, 254, 170, 2], 32), METADATA),
    (v4([169, 254, 170, 23], 32), METADATA),
    // Alibaba's, Oracle's, Scaleway's, Tencent's, and Azure's, which lies among public ones.
    (v4([100, 100, 100, 200], 32), METADATA),
    (v4([192, 0, 0, 192], 32), METADATA),
    (v4([169, 254, 42, 42], 32), METADATA),
    (v4([169, 254, 0, 23], 32), METADATA),
    (v4([168, 63, 129, 16], 32), METADATA),
    // Over IPv6: Amazon's (instances, EKS pods), Google's, Oracle's, Alibaba's, Scaleway's, Akamai's, and OpenStack's.
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128), METADATA),
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23], 128), METADATA),
    (v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128), METADATA),
    (v6([0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe], 128), METADATA),
    (v6([0xfd00, 0x100, 0, 0, 0, 0, 0x100, 0x200], 128), METADATA),
    (v6([0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42], 128), METADATA),
    (v6([0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1], 128), METADATA),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe], 128), METADATA),
    (v4([0, 0, 0, 0], 8), "an unspecified address"),
    (v4([10, 0, 0, 0], 8), PRIVATE),
    (v4([100, 64, 0, 0], 10), "a carrier's shared address"),
    (v4([127, 0, 0, 0], 8), LOOPBACK),
    (v4([169, 254, 0, 0], 16), LOCAL),
    (v4([172, 16, 0, 0], 12), PRIVATE),
    (v4([192, 0, 0, 0], 24), RESERVED),
    (v4([192, 0, 2, 0], 24), PAPER),
    (v4([192, 88, 99, 0], 24), RESERVED),
    (v4([192, 168, 0, 0], 16), PRIVATE),
    (v4([198, 18, 0, 0], 15), PAPER),
    (v4([198, 51, 100, 0], 24), PAPER),
    (v4([203, 0, 113, 0], 24), PAPER),
    (v4([224, 0, 0, 0], 4), MANY),
    (v4([240, 0, 0, 0], 4), RESERVED),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "an unspecified address"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), LOOPBACK),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), PRIVATE),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), LOCAL),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), PRIVATE),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), MANY),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), PAPER),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), PAPER),
    (v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48), PAPER),
    // Protocol assignments. Teredo is among them: nobody serves by it, and it can lead anywhere.
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), RESERVED),
];
/// All that IPv6 has given out for the public so far.
const PUBLIC: IpNet = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

const fn v4(octets: [u8; 4], prefix: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::from_octets(octets), prefix))
}

const fn v6(segments: [u16; 8], prefix: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from_segments(segments), prefix))
}

/// What an address is that is not of the public Internet; nothing when it is.
pub(super) fn special(ip: IpAddr) -> Option<&'static str> {
    let known = SPECIAL.iter().find(|(network, _)| network.contains(&ip)).map(|(_, kind)| *kind);
    known.or_else(|| (ip.is_ipv6() && !PUBLIC.contains(&ip)).then_some(RESERVED))
}

/// The IPv4 address that an IPv6 address leads to: mapped (RFC 4291), compatible (the same, given up), NAT64
/// (RFC 6052) or 6to4 (RFC 3056). Any other address leads to itself.
pub(super) fn undisguised(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => ip,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            IpAddr::V4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
        }
        _ => ip,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_kind_is_told_from_the_public() {
        for (kind, addresses) in [
            (LOOPBACK, "127.0.0.1 127.255.255.254 ::1 ::ffff:127.0.0.1 ::127.0.0.1 2002:7f00:1:: 64:ff9b::127.0.0.1"),
            (
                PRIVATE,
                "fd00:ec2::1 fd20:ce::1 10.0.0.1 172.16.0.1 172.31.255.255 192.168.0.1 fc00::1 fdff::1 fec0::1 ::ffff:10.1.2.3",
            ),
            (LOCAL, "169.254.0.1 fe80::1 febf::1 ::ffff:169.254.1.1 64:ff9b::169.254.1.1"),
            (METADATA, "169.254.169.254 ::ffff:169.254.169.254 64:ff9b::169.254.169.254 2002:a9fe:a9fe::1"),
            (
                METADATA,
                "100.100.100.200 169.254.170.2 169.254.170.23 192.0.0.192 169.254.42.42 169.254.0.23 168.63.129.16",
            ),
            (METADATA, "fd00:ec2::254 fd00:ec2::23 fd20:ce::254 fd00:c1::a9fe:a9fe fd00:100::100:200 fd00:42::42"),
            (METADATA, "fd00:a9fe:a9fe::1 fe80::a9fe:a9fe ::ffff:169.254.170.23"),
            (MANY, "224.0.0.1 239.255.255.255 ff02::1"),
            (PAPER, "192.0.2.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 2001:db8::1 3fff::1 2001:2::1"),
            (RESERVED, "240.0.0.1 255.255.255.255 192.0.0.1 192.88.99.1 100::1 64:ff9b:1::1 5f00::1 4000::1"),
            // Teredo, whomever it leads to.
            (RESERVED, "2001:0:4136:e378:8000:63bf:80ff:fffe 2001::1 2001:10::1"),
            ("a carrier's shared address", "100.64.0.1 100.127.255.255"),
            ("an unspecified address", "0.0.0.0 0.1.2.3 :: ::ffff:0.0.0.0"),
        ] {
            for address in addresses.split(' ') {
                assert_eq!(special(undisguised(address.parse().unwrap())), Some(kind), "{address}");
            }
        }
    }

    #[test]
    fn the_neighbours_of_what_is_special_are_public() {
        let public = "9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 140.82.121.3 \
                      169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255 192.169.0.0 \
                      198.17.255.255 198.20.0.0 223.255.255.255 2606:50c0:8000::153 2a00:1450::1 2001:4860:4860::8888 \
                      64:ff9b::140.82.121.3 ::ffff:140.82.121.3 2002:8c52:7903::1";
        for address in public.split_whitespace() {
            assert_eq!(special(undisguised(address.parse().unwrap())), None, "{address}");
        }
    }
}
