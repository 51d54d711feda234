//! Why something that comes from upstream waits for a person of this machine.

/// Why something that comes from upstream waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It would stand where a program runs it: who does.
    Runs(&'static str),
    /// Its name holds control characters.
    ControlCharacters,
    /// Some disks take its name for that of another file.
    Twin,
    /// It is a link that leads out of the repository.
    LeadsOut,
    /// It is a link, and Git reads a file of this name.
    GitReadsIt,
    /// No disk takes so long a name.
    LongName,
    /// It is over the size limit, in bytes.
    TooLarge(u64),
    /// It names a program that a sync itself would run, or where it sends data, and this machine's
    /// version does not.
    NamesPrograms,
    /// The program that reads it says that it is broken.
    Broken,
    /// It ignores less, and files would leave that are ignored here.
    Unignores,
    /// It takes the filter from files that have one here.
    Unfilters,
    /// It gives a filter to files that would leave in the clear if this machine's won.
    Filters,
    /// Attributes wait that say what filter covers it.
    AwaitsAttributes,
}

impl Doubt {
    /// Returns its word, for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Runs(_) => "runs",
            Self::ControlCharacters => "control-characters",
            Self::Twin => "twin",
            Self::LeadsOut => "leads-out",
            Self::GitReadsIt => "git-reads-it",
            Self::LongName => "long-name",
            Self::TooLarge(_) => "too-large",
            Self::NamesPrograms => "names-programs",
            Self::Broken => "broken",
            Self::Unignores => "unignores",
            Self::Unfilters => "unfilters",
            Self::Filters => "filters",
            Self::AwaitsAttributes => "awaits-attributes",
        }
    }

    /// Returns true where a person can let it in.
    pub fn is_decidable(self) -> bool {
        match self {
            Self::Runs(_)
            | Self::ControlCharacters
            | Self::Twin
            | Self::LeadsOut
            | Self::GitReadsIt
            | Self::NamesPrograms
            | Self::Broken
            | Self::Unignores
            | Self::Unfilters => true,
            Self::LongName | Self::TooLarge(_) | Self::Filters | Self::AwaitsAttributes => false,
        }
    }

    /// Returns true where consent holds for every later version of the file.
    pub fn is_of_the_place(self) -> bool {
        match self {
            Self::Runs(_)
            | Self::ControlCharacters
            | Self::Twin
            | Self::LeadsOut
            | Self::GitReadsIt => true,
            Self::NamesPrograms
            | Self::Broken
            | Self::TooLarge(_)
            | Self::LongName
            | Self::Unignores
            | Self::Unfilters
            | Self::Filters
            | Self::AwaitsAttributes => false,
        }
    }
}
