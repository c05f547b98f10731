//! Quantities such as `500m` and `1.5Gi`, as the API server's library reads and computes them.

use std::cmp::Ordering;

use super::convert::first;
use super::{EvaluationError, Value, ValueResult, texts};
use crate::operators::no_overload;

/// Numbers are computed below this, so that the sum of two fits.
const LIMIT: u128 = 10_u128.pow(37);
/// The finest part that is kept is a nano.
const NANO: i32 = -9;

/// A number times a power of ten.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quantity {
    number: i128,
    exponent: i32,
    /// Whether the library keeps it in an int64, which alone may be an integer to it.
    is_small: bool,
    /// Whether it is a sum or a difference, which the library takes for no quantity on the right
    /// of `==`.
    pub is_computed: bool,
}

/// Why a text can't be read as a quantity.
enum QuantityError {
    /// Not a quantity for the API server either.
    Wrong,
    /// More digits than are computed here.
    TooLarge,
}

impl Quantity {
    fn small(number: i64, exponent: i32) -> Self {
        Self { number: number.into(), exponent, is_small: true, is_computed: false }
    }

    fn large(number: i128, exponent: i32) -> Option<Self> {
        let quantity = Self { number, exponent, is_small: false, is_computed: false };
        (number.unsigned_abs() < LIMIT).then_some(quantity)
    }

    /// Without trailing zeros: digits and an exponent of ten.
    pub fn decimal(&self) -> String {
        let (mut number, mut exponent) = (self.number, self.exponent);
        // 1e3 and 1000 are the same quantity, and must print the same.
        while number != 0 && number % 10 == 0 {
            (number, exponent) = (number / 10, exponent + 1);
        }
        format!("{number}e{}", if number == 0 { 0 } else { exponent })
    }

    pub fn compare(&self, other: &Self) -> Ordering {
        let (left, right) = (self.number, other.number);
        left.signum().cmp(&right.signum()).then_with(|| {
            let order = self.size(other);
            if left < 0 { order.reverse() } else { order }
        })
    }

    /// The order of the sizes of two quantities that are not zero, or both are.
    fn size(&self, other: &Self) -> Ordering {
        let (left, right) = (self.number.unsigned_abs(), other.number.unsigned_abs());
        if left == 0 {
            return Ordering::Equal;
        }
        // By magnitude first: scaling numbers of very different sizes would overflow.
        let magnitude = |number: u128, exponent| i64::from(number.ilog10()) + i64::from(exponent);
        let scaled = |number: u128, by: i64| {
            number.saturating_mul(10_u128.saturating_pow(u32::try_from(by).unwrap_or(0)))
        };
        let apart = i64::from(self.exponent) - i64::from(other.exponent);
        magnitude(left, self.exponent)
            .cmp(&magnitude(right, other.exponent))
            .then_with(|| scaled(left, apart).cmp(&scaled(right, -apart)))
    }

    fn as_int(&self) -> Option<i64> {
        let factor = u32::try_from(self.exponent).ok().filter(|_| self.is_small)?;
        if self.number == 0 {
            return Some(0);
        }
        let number = i64::try_from(self.number).ok()?;
        number.checked_mul(10_i64.checked_pow(factor)?)
    }

    /// The sum, which stays an int64 as long as the library can keep it so.
    fn plus(&self, other: &Self) -> Option<Self> {
        if self.is_small && other.is_small {
            // The library returns the other side as it is, with its scale.
            if other.number == 0 {
                return Some(*self);
            }
            if self.number == 0 {
                return Some(*other);
            }
            let exponent = self.exponent.min(other.exponent);
            let part = |of: &Self| {
                let factor = u32::try_from(of.exponent.checked_sub(exponent)?).ok()?;
                i64::try_from(of.number).ok()?.checked_mul(10_i64.checked_pow(factor)?)
            };
            let sum = part(self).zip(part(other)).and_then(|(left, right)| left.checked_add(right));
            // An overflow falls through to the large numbers, as in the library.
            if let Some(sum) = sum {
                return Some(Self::small(sum, exponent));
            }
        }
        let exponent = self.exponent.min(other.exponent);
        let part = |of: &Self| {
            let factor = u32::try_from(of.exponent.checked_sub(exponent)?).ok()?;
            of.number.checked_mul(10_i128.checked_pow(factor)?)
        };
        part(self)?.checked_add(part(other)?).and_then(|sum| Self::large(sum, exponent))
    }

    fn negated(&self) -> Self {
        Self { number: -self.number, ..*self }
    }

    fn parse(text: &str) -> Result<Self, QuantityError> {
        let QuantityText { negative, whole, decimals, unit } = QuantityText::read(text)?;
        let (base, exponent, is_binary) = unit_of(unit).ok_or(QuantityError::Wrong)?;
        let digits = format!("{whole}{decimals}");
        let count = i32::try_from(whole.len().max(1) + decimals.len()).unwrap_or(i32::MAX);
        let decimal_places = i32::try_from(decimals.len()).unwrap_or(i32::MAX);
        // The bounds of the library's fast path (k8s.io/apimachinery/pkg/api/resource, ParseQuantity).
        let is_short = if is_binary {
            decimals.is_empty() && count <= 14 - exponent * 3 / 10
        } else {
            count <= 18
        };
        let sign = if negative { -1 } else { 1 };
        let power = if is_binary { 0 } else { exponent };
        let scale = power.checked_sub(decimal_places).ok_or(QuantityError::TooLarge)?;
        // The library's fast path, which decides whether `isInteger()` may be true of the result.
        if is_short && scale >= NANO {
            let number: i64 = if digits.is_empty() { Ok(0) } else { digits.parse() }
                .map_err(|_| QuantityError::Wrong)?;
            let factor = if is_binary { 1_i64 << exponent } else { 1 };
            if let Some(number) = number.checked_mul(factor) {
                return Ok(Self::small(sign * number, scale));
            }
        }
        // There the library wants a digit, which it does not otherwise.
        if digits.is_empty() && !text.contains('0') {
            return Err(QuantityError::Wrong);
        }
        let number: u128 = if digits.is_empty() { Ok(0) } else { digits.parse() }
            .map_err(|_| QuantityError::TooLarge)?;
        let factor = if base == 2 { 1_u128 << exponent } else { 1 };
        let number = number.checked_mul(factor).ok_or(QuantityError::TooLarge)?;
        let capped = rounded(number, scale)
            .and_then(
                |(number, scale)| {
                    if is_binary { capped(number, scale) } else { Some((number, scale)) }
                },
            )
            .ok_or(QuantityError::TooLarge)?;
        let number = i128::try_from(capped.0).map_err(|_| QuantityError::TooLarge)?;
        Self::large(i128::from(sign) * number, capped.1).ok_or(QuantityError::TooLarge)
    }
}

/// In nanos, as the library keeps what is no int64; what is finer is rounded up.
fn rounded(number: u128, scale: i32) -> Option<(u128, i32)> {
    if number == 0 {
        return Some((0, scale.max(NANO)));
    }
    let power = |exponent: i32| 10_u128.checked_pow(u32::try_from(exponent).ok()?);
    if scale >= NANO {
        return Some((number.checked_mul(power(scale.checked_sub(NANO)?)?)?, NANO));
    }
    // Finer than any divisor: the least there is.
    Some((power(NANO.checked_sub(scale)?).map_or(1, |divisor| number.div_ceil(divisor)), NANO))
}

/// Binary quantities end at the largest int64.
fn capped(number: u128, scale: i32) -> Option<(u128, i32)> {
    const MAX: u128 = i64::MAX as u128;
    let divisor = 10_u128.checked_pow(u32::try_from(scale.checked_neg()?).ok()?)?;
    let over =
        number / divisor > MAX || (number / divisor == MAX && !number.is_multiple_of(divisor));
    Some(if over { (MAX, 0) } else { (number, scale) })
}

/// The parts of a quantity's text.
struct QuantityText<'a> {
    negative: bool,
    /// Digits before the point, without leading zeros.
    whole: &'a str,
    decimals: &'a str,
    unit: &'a str,
}

impl<'a> QuantityText<'a> {
    fn read(text: &'a str) -> Result<Self, QuantityError> {
        if text.is_empty() {
            return Err(QuantityError::Wrong);
        }
        let negative = text.starts_with('-');
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let digits = |text: &'a str| {
            text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
        };
        let (whole, rest) = digits(unsigned.trim_start_matches('0'));
        let (decimals, unit) = match rest.strip_prefix('.') {
            Some(rest) => digits(rest),
            None => ("", rest),
        };
        let exponent = unit.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if !exponent.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(QuantityError::Wrong);
        }
        Ok(Self { negative, whole, decimals, unit })
    }
}

/// The base and the exponent of a unit, and whether it is a binary one.
fn unit_of(unit: &str) -> Option<(u32, i32, bool)> {
    const DECIMAL: [(&str, i32); 10] = [
        ("n", -9),
        ("u", -6),
        ("m", -3),
        ("", 0),
        ("k", 3),
        ("M", 6),
        ("G", 9),
        ("T", 12),
        ("P", 15),
        ("E", 18),
    ];
    const BINARY: [(&str, i32); 6] =
        [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];
    let found = |table: &[(&str, i32)]| {
        table.iter().find(|(name, _)| *name == unit).map(|(_, exponent)| *exponent)
    };
    if let Some(exponent) = found(&DECIMAL) {
        return Some((10, exponent, false));
    }
    if let Some(exponent) = found(&BINARY) {
        return Some((2, exponent, true));
    }
    let exponent: i64 = unit.strip_prefix(['e', 'E'])?.parse().ok()?;
    // The library cuts it to 32 bits.
    #[expect(clippy::cast_possible_truncation, reason = "as the library does")]
    Some((10, exponent as i32, false))
}

fn too_large() -> EvaluationError {
    EvaluationError::refused("only quantities of up to 37 digits are computed here")
}

fn read(values: &[Value]) -> Result<Option<Quantity>, EvaluationError> {
    let [text] = texts(values)?;
    match Quantity::parse(text) {
        Ok(quantity) => Ok(Some(quantity)),
        Err(QuantityError::Wrong) => Ok(None),
        Err(QuantityError::TooLarge) => Err(too_large()),
    }
}

pub(super) fn quantity(values: &[Value]) -> ValueResult {
    read(values)?.map(Value::Quantity).ok_or_else(|| {
        EvaluationError::no_value("quantity() takes a quantity such as 500m or 1.5Gi")
    })
}

pub(super) fn is_quantity(values: &[Value]) -> ValueResult {
    read(values).map(|quantity| Value::Bool(quantity.is_some()))
}

fn receiver(values: &[Value]) -> Result<Quantity, EvaluationError> {
    match first(values) {
        Value::Quantity(quantity) => Ok(*quantity),
        other => Err(no_overload("a function of quantities", other)),
    }
}

fn operands(values: &[Value]) -> Result<(Quantity, Quantity), EvaluationError> {
    let other = match values.get(1) {
        Some(Value::Quantity(quantity)) => *quantity,
        Some(Value::Int(number)) => Quantity::small(*number, 0),
        other => {
            return Err(no_overload("a function of quantities", other.unwrap_or(&Value::Null)));
        }
    };
    Ok((receiver(values)?, other))
}

pub(super) fn is_integer(values: &[Value]) -> ValueResult {
    receiver(values).map(|quantity| Value::Bool(quantity.as_int().is_some()))
}

pub(super) fn as_integer(values: &[Value]) -> ValueResult {
    receiver(values)?.as_int().map(Value::Int).ok_or_else(|| {
        EvaluationError::no_value("asInteger() of a quantity that is not an integer")
    })
}

#[expect(clippy::cast_precision_loss, reason = "it is approximate")]
pub(super) fn as_approximate_float(values: &[Value]) -> ValueResult {
    let quantity = receiver(values)?;
    let base = quantity.number as f64;
    Ok(Value::Double(match quantity.exponent {
        0 => base,
        exponent => base * power_of_ten(exponent),
    }))
}

/// Ten to a power, as Go multiplies it from a table.
fn power_of_ten(exponent: i32) -> f64 {
    let power = |exponent: i32| format!("1e{exponent}").parse().unwrap_or(f64::NAN);
    match exponent {
        309.. => f64::INFINITY,
        0..=308 => power(exponent / 32 * 32) * power(exponent % 32),
        -323..=-1 => power(-(-exponent / 32 * 32)) / power(-exponent % 32),
        _ => 0.0,
    }
}

pub(super) fn sign(values: &[Value]) -> ValueResult {
    receiver(values)
        .map(|quantity| Value::Int(i64::try_from(quantity.number.signum()).unwrap_or(0)))
}

fn computed(sum: Option<Quantity>) -> ValueResult {
    sum.map(|sum| Value::Quantity(Quantity { is_computed: true, ..sum })).ok_or_else(too_large)
}

pub(super) fn add(values: &[Value]) -> ValueResult {
    let (left, right) = operands(values)?;
    computed(left.plus(&right))
}

pub(super) fn subtract(values: &[Value]) -> ValueResult {
    let (left, right) = operands(values)?;
    if right.number == i128::from(i64::MIN) {
        return Err(too_large());
    }
    computed(left.plus(&right.negated()))
}

pub(super) fn is_greater(values: &[Value]) -> ValueResult {
    operands(values).map(|(left, right)| Value::Bool(left.compare(&right).is_gt()))
}

pub(super) fn is_less(values: &[Value]) -> ValueResult {
    operands(values).map(|(left, right)| Value::Bool(left.compare(&right).is_lt()))
}

pub(super) fn compare(values: &[Value]) -> ValueResult {
    operands(values).map(|(left, right)| Value::Int(left.compare(&right) as i64))
}
