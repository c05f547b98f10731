//! IP addresses and networks, as Go's netip reads them.

use std::fmt;
use std::net::IpAddr;

use super::convert::first;
use super::{EvaluationError, Value, ValueResult, texts};
use crate::operators::no_overload;

/// A network: an address, and how many of its bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cidr {
    address: IpAddr,
    bits: u32,
}

impl fmt::Display for Cidr {
    fn fmt(&self, output: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(output, "{}/{}", self.address, self.bits)
    }
}

/// The bits of an address, from the left, and how many there are.
fn bits_of(address: IpAddr) -> (u128, u32) {
    match address {
        // Shifted to the left end, so that a prefix means the same for both families.
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

/// The first bits of a number.
fn prefix(bits: u128, count: u32) -> u128 {
    // A shift by all 128 bits would overflow.
    if count == 0 { 0 } else { bits & (u128::MAX << (128 - count)) }
}

impl Cidr {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.rsplit_once('/')?;
        let address = parse(address)?;
        let digits = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
        // Go's netip refuses a sign and leading zeros, which Rust's parser takes.
        if !digits || (bits.len() > 1 && bits.starts_with('0')) {
            return None;
        }
        let bits = bits.parse().ok().filter(|bits| *bits <= bits_of(address).1)?;
        Some(Self { address, bits })
    }

    fn contains(self, address: IpAddr, bits: u32) -> bool {
        let (own, length) = bits_of(self.address);
        let (other, other_length) = bits_of(address);
        // 10.0.0.0/8 does not contain an address of IPv6, however its bits look.
        length == other_length
            && self.bits <= bits
            && prefix(own, self.bits) == prefix(other, self.bits)
    }

    fn masked(self) -> Self {
        let bits = prefix(bits_of(self.address).0, self.bits);
        let address = match self.address {
            IpAddr::V4(_) => IpAddr::from(u32::try_from(bits >> 96).unwrap_or(0).to_be_bytes()),
            IpAddr::V6(_) => IpAddr::from(bits.to_be_bytes()),
        };
        Self { address, ..self }
    }
}

/// An address; one of IPv4 in the form of IPv6 is none to Kubernetes.
fn parse(text: &str) -> Option<IpAddr> {
    let address: IpAddr = text.parse().ok()?;
    match address {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => None,
        address => Some(address),
    }
}

pub(super) fn ip(values: &[Value]) -> ValueResult {
    let [text] = texts(values)?;
    parse(text)
        .map(Value::Ip)
        .ok_or_else(|| EvaluationError::no_value("ip() takes an address such as 10.0.0.1"))
}

pub(super) fn is_ip(values: &[Value]) -> ValueResult {
    let [text] = texts(values)?;
    Ok(Value::Bool(parse(text).is_some()))
}

pub(super) fn is_canonical(values: &[Value]) -> ValueResult {
    let [text] = texts(values)?;
    parse(text).map(|address| Value::Bool(address.to_string() == text)).ok_or_else(|| {
        EvaluationError::no_value("ip.isCanonical() takes an address such as 10.0.0.1")
    })
}

fn address_of(values: &[Value]) -> Result<IpAddr, EvaluationError> {
    match first(values) {
        Value::Ip(address) => Ok(*address),
        other => Err(no_overload("a property of an address", other)),
    }
}

pub(super) fn family(values: &[Value]) -> ValueResult {
    address_of(values).map(|address| Value::Int(if address.is_ipv4() { 4 } else { 6 }))
}

pub(super) fn is_loopback(values: &[Value]) -> ValueResult {
    address_of(values).map(|address| Value::Bool(address.is_loopback()))
}

pub(super) fn is_unspecified(values: &[Value]) -> ValueResult {
    address_of(values).map(|address| Value::Bool(address.is_unspecified()))
}

pub(super) fn is_link_local_multicast(values: &[Value]) -> ValueResult {
    let link_local = |address| match address {
        // 224.0.0.0/24 (RFC 5771); of IPv6 the scope is the last four bits of the second byte (RFC 4291).
        IpAddr::V4(v4) => matches!(v4.octets(), [224, 0, 0, _]),
        IpAddr::V6(v6) => v6.segments()[0] & 0xff0f == 0xff02,
    };
    address_of(values).map(|address| Value::Bool(link_local(address)))
}

fn link_local_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.segments()[0] & 0xffc0 == 0xfe80,
    }
}

pub(super) fn is_link_local_unicast(values: &[Value]) -> ValueResult {
    address_of(values).map(|address| Value::Bool(link_local_unicast(address)))
}

pub(super) fn is_global_unicast(values: &[Value]) -> ValueResult {
    let global = |address: IpAddr| {
        // Go's definition: private addresses are global unicast, too.
        let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
        !(broadcast
            || address.is_unspecified()
            || address.is_loopback()
            || address.is_multicast()
            || link_local_unicast(address))
    };
    address_of(values).map(|address| Value::Bool(global(address)))
}

fn read(text: &str) -> Result<Cidr, EvaluationError> {
    Cidr::parse(text)
        .ok_or_else(|| EvaluationError::no_value("cidr() takes a network such as 10.0.0.0/8"))
}

pub(super) fn cidr(values: &[Value]) -> ValueResult {
    let [text] = texts(values)?;
    read(text).map(Value::Cidr)
}

pub(super) fn is_cidr(values: &[Value]) -> ValueResult {
    let [text] = texts(values)?;
    Ok(Value::Bool(Cidr::parse(text).is_some()))
}

fn network_of(values: &[Value]) -> Result<Cidr, EvaluationError> {
    match first(values) {
        Value::Cidr(cidr) => Ok(*cidr),
        other => Err(no_overload("a property of a network", other)),
    }
}

pub(super) fn contains_ip(values: &[Value]) -> ValueResult {
    let address = match values.get(1) {
        Some(Value::Ip(address)) => *address,
        Some(Value::String(text)) => {
            parse(text).ok_or_else(|| EvaluationError::no_value("containsIP() takes an address"))?
        }
        other => return Err(no_overload("containsIP()", other.unwrap_or(&Value::Null))),
    };
    network_of(values).map(|cidr| Value::Bool(cidr.contains(address, 128)))
}

pub(super) fn contains_cidr(values: &[Value]) -> ValueResult {
    let inner = match values.get(1) {
        Some(Value::Cidr(inner)) => *inner,
        Some(Value::String(text)) => read(text)?,
        other => return Err(no_overload("containsCIDR()", other.unwrap_or(&Value::Null))),
    };
    network_of(values).map(|cidr| Value::Bool(cidr.contains(inner.address, inner.bits)))
}

pub(super) fn prefix_length(values: &[Value]) -> ValueResult {
    network_of(values).map(|cidr| Value::Int(i64::from(cidr.bits)))
}

pub(super) fn masked(values: &[Value]) -> ValueResult {
    network_of(values).map(|cidr| Value::Cidr(cidr.masked()))
}

pub(super) fn address(values: &[Value]) -> ValueResult {
    network_of(values).map(|cidr| Value::Ip(cidr.address))
}
