//! A person in the index: what there is besides texts, packed into its note, and the answer made of both.

use time::{Date, Month};

use super::model::render;
use crate::cache::search::Record;

/// In one number: year, month and day of birth, and whether there is a stack.
pub(super) fn note(birth: Date, has_stack: bool) -> u32 {
    let month_and_day = u32::from(u8::from(birth.month())) << 6 | u32::from(birth.day()) << 1;
    birth.year().cast_unsigned() << 10 | month_and_day | u32::from(has_stack)
}

fn birth(note: u32) -> Option<Date> {
    let month = Month::try_from((note >> 6 & 0xf) as u8).ok()?;
    Date::from_calendar_date(note.cast_signed() >> 10, month, (note >> 1 & 0x1f) as u8).ok()
}

/// Appends the body of `GET /pessoas/{id}`.
pub(super) fn render_record(out: &mut Vec<u8>, record: Record<'_>) {
    let mut texts = record.texts();
    let (apelido, nome) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
    let birth = birth(record.note).unwrap_or(Date::MIN);
    let stack = (record.note & 1 == 1).then_some(texts);
    render(out, record.id, apelido, nome, birth, stack);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_gives_back_every_date() {
        for day in Date::MIN.to_julian_day()..=Date::MAX.to_julian_day() {
            let date = Date::from_julian_day(day).unwrap();
            for has_stack in [false, true] {
                let note = note(date, has_stack);
                assert_eq!((birth(note), note & 1 == 1), (Some(date), has_stack));
            }
        }
    }
}
