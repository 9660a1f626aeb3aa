//! What can be seen of a function in its disassembly.

use std::collections::BTreeSet;

/// A function of an object.
pub struct Function {
    pub name: String,
    instructions: Vec<Instruction>,
}

struct Instruction {
    /// The mnemonic and the operands, one space between.
    text: String,
    /// The symbol that the linker puts in.
    symbol: String,
}

/// The functions in what llvm-objdump -dr --no-show-raw-insn says of an object.
pub fn functions(disassembly: &str) -> Vec<Function> {
    let mut functions: Vec<Function> = Vec::new();
    for line in disassembly.lines() {
        let name = line
            .split_once(" <")
            .and_then(|(_, rest)| rest.strip_suffix(">:"));
        if let Some(name) = name {
            functions.push(Function {
                name: name.into(),
                instructions: Vec::new(),
            });
            continue;
        }
        let (function, (_, rest)) = match (functions.last_mut(), line.split_once(": ")) {
            (Some(function), Some(parts)) => (function, parts),
            _ => continue,
        };
        let words: Vec<_> = rest.split_whitespace().collect();
        match (words.first(), function.instructions.last_mut()) {
            (Some(word), Some(last)) if word.starts_with("R_") => {
                last.symbol = words.get(1).copied().unwrap_or("").into();
            }
            (Some(_), _) => function.instructions.push(Instruction {
                text: words.join(" "),
                symbol: String::new(),
            }),
            (None, _) => {}
        }
    }
    // What a kernel writes over others' instructions is none, nor is a table of jumps.
    functions.retain(|function| !function.name.starts_with(['.', '$']));
    functions
}

impl Function {
    fn has(&self, is: impl Fn(&Instruction) -> bool) -> bool {
        self.instructions.iter().any(is)
    }

    fn count(&self, is: impl Fn(&Instruction) -> bool) -> usize {
        self.instructions.iter().filter(|i| is(i)).count()
    }

    /// What a compiler was asked for that is seen of it. What there is nothing of, such as a return
    /// in a function that never returns, is as it should be.
    pub fn marks(&self) -> BTreeSet<&'static str> {
        let first = self.instructions.first().map_or("", |i| i.text.as_str());
        let signs = ["hint #25", "hint #27", "paciasp", "pacibsp"].contains(&first);
        let returns = |i: &Instruction| i.text == "ret" || i.text == "retq";
        let by_thunk = |i: &Instruction| i.symbol.starts_with("__x86_return_thunk");
        let authenticates = |i: &Instruction| i.text == "hint #29" || i.text == "autiasp";
        let thunk = |i: &Instruction| i.symbol.starts_with("__x86_indirect_thunk_");
        let calls = |i: &Instruction| i.text.starts_with("call");
        // These two are for tails.
        let by_table = |i: &Instruction| {
            i.text.starts_with("br x") && !["br x16", "br x17"].contains(&i.text.as_str())
        };
        let by_register = |i: &Instruction| i.text.contains(" *") && !i.text.contains("(%rip)");
        let canary = |i: &Instruction| i.text.starts_with("ldr x8, [x8, #");
        let marks = [
            ("signs its return address", signs),
            (
                "authenticates all returns",
                self.count(authenticates) >= self.count(returns),
            ),
            // These, BTI c and ENDBR64.
            (
                "can be called by pointer",
                signs || ["hint #34", "bti c", "endbr64"].contains(&first),
            ),
            (
                "can be jumped to by a table",
                self.has(by_table) && self.count(|i| ["hint #36", "bti j"].contains(&&*i.text)) > 1,
            ),
            ("jumps by a table", self.has(by_table)),
            (
                "guards its stack",
                self.has(|i| i.symbol.starts_with("__stack_chk_fail")),
            ),
            (
                "has the task's guard",
                self.has(|i| i.text == "mrs x8, SP_EL0") && self.has(canary),
            ),
            ("calls by a thunk", self.has(|i| thunk(i) && calls(i))),
            ("jumps by a thunk", self.has(|i| thunk(i) && !calls(i))),
            ("calls and jumps by no register", !self.has(by_register)),
            (
                "returns by the thunk",
                !self.has(returns) && self.has(by_thunk),
            ),
            ("does not return without the thunk", !self.has(returns)),
            (
                "does not jump by a thunk",
                !self.has(|i| thunk(i) && !calls(i)),
            ),
        ];
        let has = marks.into_iter().filter(|(_, has)| *has);
        has.map(|(mark, _)| mark).collect()
    }
}
