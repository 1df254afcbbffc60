//! Every function of the header, called with nothing and with a handle of another kind: a status and a sentence, no crash.
//!
//! The calls are made from the header's own prototypes, so that a new function is tested as soon as it is declared.

mod support;

use std::fmt::Write;

use support::{root, run, scratch, C11};

struct Prototype {
    name: String,
    has_status: bool,
    parameters: Vec<String>,
}

/// The functions that the header declares.
fn prototypes() -> Vec<Prototype> {
    let header = std::fs::read_to_string(root().join("include/sdp_dal.h")).unwrap();
    let code: String = header
        .lines()
        .filter(|line| !line.trim_start().starts_with(['/', '#', '*']))
        .collect::<Vec<_>>()
        .join(" ");
    let mut found = Vec::new();
    for declaration in code.split(';') {
        let Some(open) = declaration.find('(') else { continue };
        if declaration.contains("typedef") || !declaration.trim_end().ends_with(')') {
            continue;
        }
        let before: Vec<&str> = declaration[..open].split_whitespace().collect();
        let Some(name) = before.last().map(|name| name.trim_start_matches('*')) else { continue };
        if !name.starts_with("sdp_dal_") {
            continue;
        }
        let inside = &declaration[open + 1..declaration.rfind(')').unwrap()];
        let mut depth = 0;
        let mut parameters = vec![String::new()];
        for c in inside.chars() {
            depth += i32::from(c == '(') - i32::from(c == ')');
            if c == ',' && depth == 0 {
                parameters.push(String::new());
            } else {
                parameters.last_mut().unwrap().push(c);
            }
        }
        parameters.retain(|parameter| !matches!(parameter.trim(), "" | "void"));
        found.push(Prototype {
            name: name.to_owned(),
            has_status: before.contains(&"sdp_dal_status"),
            parameters,
        });
    }
    found
}

/// What a call passes for a parameter when it has nothing to pass.
fn nothing(parameter: &str) -> &'static str {
    let pointer = parameter.contains('*')
        || ["sdp_dal_function ", "sdp_dal_log_function ", "sdp_dal_interrupt_check "]
            .iter()
            .any(|function| parameter.trim_start().starts_with(function));
    if pointer {
        "NULL"
    } else {
        "0"
    }
}

/// The type of handle that a parameter takes.
fn handle(parameter: &str) -> Option<&str> {
    const HANDLES: [&str; 17] = [
        "sdp_dal_subscription",
        "sdp_dal_list",
        "sdp_dal_clients",
        "sdp_dal_stores",
        "sdp_dal_store",
        "sdp_dal_ref",
        "sdp_dal_tensor",
        "sdp_dal_buffer",
        "sdp_dal_writer",
        "sdp_dal_caller",
        "sdp_dal_args",
        "sdp_dal_results",
        "sdp_dal_processor",
        "sdp_dal_call",
        "sdp_dal_replies",
        "sdp_dal_schema",
        "sdp_dal_namespaces",
    ];
    let kind = parameter.split_whitespace().find(|word| *word != "const")?;
    let one_star = parameter.matches('*').count() == 1;
    HANDLES.into_iter().find(|known| one_star && *known == kind)
}

fn program() -> String {
    let mut text = String::from(
        "#include <sdp_dal.h>\n#include <stdio.h>\n#include <string.h>\n\
         static int wrong;\n\
         static void refused(const char *name, sdp_dal_status status) {\n\
             char text[SDP_DAL_MESSAGE_SIZE] = \"\";\n\
             size_t length = sizeof text;\n\
             sdp_dal_last_error(text, &length);\n\
             if (status != SDP_DAL_INVALID_ARGUMENT || strstr(text, name) == NULL) {\n\
                 printf(\"%s: status %d, '%s'\\n\", name, (int)status, text);\n\
                 wrong = 1;\n\
             }\n\
         }\n\
         int main(void) {\n\
             sdp_dal_args *args = NULL;\n\
             sdp_dal_store *store = NULL;\n\
             if (sdp_dal_args_create(&args) != SDP_DAL_OK) return 2;\n\
             if (sdp_dal_store_open(STORE, NULL, &store) != SDP_DAL_OK) return 3;\n",
    );
    for prototype in prototypes() {
        let Prototype { name, has_status, parameters } = &prototype;
        let mut values: Vec<String> = parameters.iter().map(|p| nothing(p).to_owned()).collect();
        let call = |values: &[String]| format!("{name}({})", values.join(", "));
        let refusal = |values: &[String]| format!("refused(\"{name}\", {});\n", call(values));
        if !has_status {
            let _ = writeln!(text, "(void){};", call(&values));
            continue;
        }
        // What these do with nothing is right.
        if ["sdp_dal_last_error", "sdp_dal_set_log", "sdp_dal_set_interrupt_check", "sdp_dal_ref_wait_many"]
            .contains(&name.as_str())
        {
            let _ = writeln!(text, "(void){};", call(&values));
            continue;
        }
        if !parameters.is_empty() {
            text.push_str(&refusal(&values));
        }
        if let Some(kind) = parameters.first().and_then(|first| handle(first)) {
            let other = if kind == "sdp_dal_args" { "store" } else { "args" };
            let qualifier = if parameters[0].contains("const ") { "const " } else { "" };
            values[0] = format!("({qualifier}{kind} *)(void *){other}");
            text.push_str(&refusal(&values));
        }
    }
    text.push_str("sdp_dal_args_free(args);\nsdp_dal_store_close(store);\nreturn wrong;\n}\n");
    text
}

#[test]
fn every_function_refuses_nothing_and_other_kinds_with_a_sentence() {
    assert!(prototypes().len() > 100, "only {} functions found in the header", prototypes().len());
    let folder = scratch("every-function");
    let source = folder.join("every_function.c");
    std::fs::write(&source, program()).unwrap();
    let built = folder.join("every_function");
    let store = format!("-DSTORE=\"/dev/shm/sdp-dal-test-every-{}\"", std::process::id());
    let mut command = C11.command();
    command.arg(store).arg(&source).args(["-x", "none"]).arg(support::cdylib()).arg("-o").arg(&built);
    run(&mut command);
    run(&mut support::programs::program(&folder, &built));
}
