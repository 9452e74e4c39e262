//! Faults of processors that a linker would work around and zig's can't be told to.

/// Where a program for 64-bit ARM has what a Cortex-A53 up to r0p4 may get wrong (erratum 843419): an ADRP in the last two
/// words of a 4 KB page, a load or store behind it, and as the next instruction or the one after that a load or store
/// whose base register is the ADRP's. Code lies at the same place of a page in the file as in memory.
pub fn cortex_a53_843419(program: &[u8]) -> Vec<usize> {
    let word = |at: usize| {
        let bytes = program.get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let is_hit = |at: usize| {
        let [adrp, second, third] = [word(at)?, word(at + 4)?, word(at + 8)?];
        let uses = |word: u32| word & 0x3b00_0000 == 0x3900_0000 && word >> 5 & 31 == adrp & 31;
        let is_adrp = adrp & 0x9f00_0000 == 0x9000_0000;
        Some(is_adrp && is_load_or_store(second) && (uses(third) || !is_branch(third) && uses(word(at + 12)?)))
    };
    let ends = (0x1000..=program.len()).step_by(0x1000).flat_map(|page| [page - 8, page - 4]);
    ends.filter(|&at| is_hit(at).unwrap_or(false)).collect()
}

fn is_load_or_store(word: u32) -> bool {
    word & 0x0a00_0000 == 0x0800_0000
}

fn is_branch(word: u32) -> bool {
    word & 0x7c00_0000 == 0x1400_0000
        || word & 0xfe00_0000 == 0xd600_0000
        || word & 0xfe00_0000 == 0x5400_0000
        || word & 0x7c00_0000 == 0x3400_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_found_at_the_end_of_a_page_only() {
        // adrp x0; ldr x1, [x1]; (nop;) ldr x2, [x0, #8]
        let [adrp, load, nop, uses] = [0x9000_0000_u32, 0xf940_0021, 0xd503_201f, 0xf940_0402];
        let program = |at: usize, words: &[u32]| {
            let mut program = vec![0; 0x3000];
            for (word, place) in words.iter().zip(program[at..].chunks_exact_mut(4)) {
                place.copy_from_slice(&word.to_le_bytes());
            }
            cortex_a53_843419(&program)
        };
        assert_eq!(program(0x1ff8, &[adrp, load, uses]), [0x1ff8]);
        assert_eq!(program(0x0ffc, &[adrp, load, nop, uses]), [0x0ffc]);
        assert_eq!(program(0x1ff4, &[adrp, load, uses]), [0usize; 0]);
        assert_eq!(program(0x1ff8, &[adrp, nop, uses]), [0usize; 0]);
        // A return in between, another register.
        assert_eq!(program(0x1ff8, &[adrp, load, 0xd65f_03c0, uses]), [0usize; 0]);
        assert_eq!(program(0x1ff8, &[adrp, load, nop, 0xf940_0422]), [0usize; 0]);
        assert_eq!(program(0x2ffc, &[adrp]), [0usize; 0]);
    }
}
