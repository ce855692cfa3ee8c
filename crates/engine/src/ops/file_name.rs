//! What a file that rolled is called, from nothing but the journal.

use chrono::{DateTime, Utc};

use brooklet_core::Instance;
use brooklet_plan::node::{FileNames, NamePart};

use super::stage::Moment;

/// Which file it is.
pub struct Rolled<'a> {
    pub instance: &'a Instance,
    pub moment: Moment,
    /// The directory of its partition; empty without.
    pub partition: &'a str,
    pub writer: i32,
    /// Files of this epoch, partition and writer before it.
    pub number: u32,
}

impl Rolled<'_> {
    /// Relative to the table's path.
    pub fn name(&self, names: &FileNames) -> String {
        let named = |part: &NamePart| matches!(part, NamePart::Partition(_));
        let in_name = matches!(names, FileNames::Template(parts) if parts.iter().any(named));
        match self.partition.is_empty() || in_name {
            true => self.own(names),
            false => format!("{}/{}", self.partition, self.own(names)),
        }
    }

    fn own(&self, names: &FileNames) -> String {
        let serial = || format!("{}-{}-{}", self.moment.epoch, self.writer, self.number);
        match names {
            FileNames::Parts { extension } => {
                format!("part-{}-{}{extension}", self.instance, serial())
            }
            FileNames::Single => String::new(),
            FileNames::Template(parts) => {
                let part = |part: &NamePart| match part {
                    NamePart::Text(text) => text.clone(),
                    NamePart::Time(format) => self.time().format(format).to_string(),
                    NamePart::Partition(column) => self.value(*column).to_string(),
                    NamePart::Serial => serial(),
                };
                parts.iter().map(part).collect()
            }
        }
    }

    /// Of a partition column, as directories have it.
    fn value(&self, column: usize) -> &str {
        let directory = self.partition.split('/').nth(column).unwrap_or_default();
        directory.split_once('=').map_or(directory, |(_, value)| value)
    }

    fn time(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.moment.now).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use brooklet_core::Epoch;

    #[test]
    fn names_say_when_and_which() {
        let moment = Moment::at(Epoch(7), 1_768_745_105_042);
        let instance = Instance("ab12".into());
        let rolled = Rolled { instance: &instance, moment, partition: "k=1", writer: 2, number: 3 };
        let parts = FileNames::Parts { extension: ".json".into() };
        assert_eq!(rolled.name(&parts), "k=1/part-ab12-7-2-3.json");
        let template = FileNames::template("{yyyy}/{MM}/{dd}/{HH-mm-ss}-clicks.json", &[]).unwrap();
        assert_eq!(rolled.name(&template), "k=1/2026/01/18/14-05-05-clicks-7-2-3.json");
        let columns = ["k".to_string()];
        let template = FileNames::template("{k}/{HH}.json", &columns).unwrap();
        assert_eq!(rolled.name(&template), "1/14-7-2-3.json");
        let whole = Rolled { partition: "", ..rolled };
        let template = FileNames::template("{HHmm}-{n}.{SSS}", &[]).unwrap();
        assert_eq!(whole.name(&template), "1405-7-2-3.042");
        assert_eq!(whole.name(&FileNames::Single), "");
    }
}
