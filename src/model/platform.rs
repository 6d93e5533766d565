//! What an image was built for, and whether a host runs it.

use std::fmt;

/// An operating system and a processor, in the words of images: `linux/amd64`, `linux/arm/v7`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// `amd64`, `arm64`, `arm`.
    pub architecture: String,
    /// `v7`; none where the architecture has one kind only, or the kind is not told.
    pub variant: Option<String>,
}

impl Platform {
    /// From the words of images.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let variant = variant.filter(|variant| !variant.is_empty()).map(str::to_owned);
        Self { os: os.to_owned(), architecture: architecture.to_owned(), variant }
    }

    /// From the words of kernels, which Docker uses for hosts: `x86_64`, `aarch64`, `armv7l`. A word that is not known
    /// is taken as it is.
    pub fn of_host(os: &str, machine: &str) -> Self {
        let (architecture, variant) = match machine {
            "x86_64" => ("amd64", None),
            "i386" | "i486" | "i586" | "i686" => ("386", None),
            "aarch64" => ("arm64", None),
            "armv7l" | "armv8l" | "armhf" => ("arm", Some("v7")),
            "armv6l" => ("arm", Some("v6")),
            "armv5l" | "armv5tel" | "armel" => ("arm", Some("v5")),
            other => (other, None),
        };
        Self::new(os, architecture, variant)
    }

    /// Whether this host runs an image of that platform: as Docker chooses among the images of an index, and where
    /// it knows more than is told here, yes. What has been set up to emulate other processors is not known.
    pub fn runs(&self, image: &Self) -> bool {
        self.os == image.os
            && match (self.architecture.as_str(), image.architecture.as_str()) {
                ("amd64", "386") | ("arm64", "arm") => true,
                ("arm", "arm") => match (&self.variant, &image.variant) {
                    (Some(host), Some(image)) => image <= host,
                    (None, _) | (_, None) => true,
                },
                (host, image) => host == image,
            }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(text: &str) -> Platform {
        let parts: Vec<_> = text.split('/').collect();
        Platform::new(parts[0], parts[1], parts.get(2).copied())
    }

    #[test]
    fn a_host_runs_its_own_kind_and_what_docker_falls_back_to() {
        let runs = [
            ("x86_64", "linux/amd64"),
            ("x86_64", "linux/amd64/v2"),
            ("x86_64", "linux/386"),
            ("aarch64", "linux/arm64"),
            ("aarch64", "linux/arm64/v8"),
            ("aarch64", "linux/arm/v7"),
            ("armv7l", "linux/arm/v7"),
            ("armv7l", "linux/arm/v6"),
            ("armv7l", "linux/arm"),
            ("riscv64", "linux/riscv64"),
        ];
        for (machine, wanted) in runs {
            assert!(Platform::of_host("linux", machine).runs(&image(wanted)), "{machine} {wanted}");
        }
    }

    #[test]
    fn a_host_does_not_run_another_kind() {
        let not = [
            ("x86_64", "linux/arm64"),
            ("x86_64", "windows/amd64"),
            ("aarch64", "linux/amd64"),
            ("armv6l", "linux/arm/v7"),
            ("armv7l", "linux/arm64"),
            ("i686", "linux/amd64"),
        ];
        for (machine, wanted) in not {
            assert!(!Platform::of_host("linux", machine).runs(&image(wanted)), "{machine} {wanted}");
        }
    }

    #[test]
    fn a_platform_is_shown_in_the_words_of_images() {
        assert_eq!(Platform::of_host("linux", "x86_64").to_string(), "linux/amd64");
        assert_eq!(Platform::of_host("linux", "armv7l").to_string(), "linux/arm/v7");
        assert_eq!(image("linux/arm64/v8").to_string(), "linux/arm64/v8");
    }
}
