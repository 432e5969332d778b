//! The same templates through a real docker client (`docker context inspect --format`, which needs no daemon)
//! and through this crate.

use bottleship_gotmpl::{List, Map, MissingKey, Struct, Template, Value};
use std::process::Command;
use std::rc::Rc;

/// The value `docker context inspect` gives its template: a struct, a map of interfaces, a struct inside.
fn context() -> Value {
    let endpoint = structure(
        "docker.EndpointMeta",
        vec![
            ("Host", "unix:///var/run/docker.sock".into()),
            ("SkipTLSVerify", false.into()),
        ],
    );
    let endpoints = Value::map("interface {}", [("docker".into(), endpoint)].into());
    structure(
        "context.contextWithTLSListing",
        vec![
            ("Name", "default".into()),
            ("Metadata", structure("command.DockerContext", vec![])),
            ("Endpoints", endpoints),
            (
                "TLSMaterial",
                Value::Map(Rc::new(Map {
                    name: None,
                    elem: "context.EndpointFiles".into(),
                    entries: Default::default(),
                    nil: false,
                })),
            ),
            (
                "Storage",
                structure(
                    "store.StorageInfo",
                    vec![
                        ("MetadataPath", "<IN MEMORY>".into()),
                        ("TLSPath", "<IN MEMORY>".into()),
                    ],
                ),
            ),
        ],
    )
}

fn structure(name: &'static str, fields: Vec<(&'static str, Value)>) -> Value {
    Value::Struct(Rc::new(Struct {
        name: name.into(),
        fields: fields
            .into_iter()
            .map(|(n, value)| bottleship_gotmpl::Field {
                name: n.into(),
                json: n.into(),
                omit_empty: false,
                value,
            })
            .collect(),
        row: false,
    }))
}

const TEMPLATES: &[&str] = &[
    // fields and types
    "{{.Name}}",
    "{{.Nope}}",
    "{{.Endpoints.docker.Host}}",
    "{{.Endpoints.docker.Nope}}",
    "{{.Endpoints.x}}",
    "{{.Endpoints.x.y}}",
    "{{.Endpoints.x.y.z}}",
    "{{.Name.X}}",
    "{{.Endpoints.docker.Host.X}}",
    "{{.Storage}}",
    "{{.Endpoints}}",
    "{{.Storage.MetadataPath}}",
    "{{(index .Endpoints \"docker\").Host}}",
    "{{(index .Endpoints \"x\").Host}}",
    "{{index .Endpoints \"x\"}}",
    "{{index .Endpoints 1}}",
    "{{.TLSMaterial}}",
    "{{.Name 1}}",
    "{{.Endpoints.docker 1}}",
    "{{1 | .Name}}",
    "{{$.Name}}",
    "{{$.Name.X}}",
    "{{(.Storage).TLSPath}}",
    "{{json .Endpoints}}",
    "{{json .Storage}}",
    "{{json .Name}}",
    "{{json .}}",
    "{{json nil}}",
    "{{json 1.5}}",
    "{{json \"<&>\"}}",
    // constants
    "{{1}} {{-1}} {{+5}} {{0x1F}} {{0b101}} {{0o17}} {{017}} {{1_000}} {{1.5}} {{1e3}} {{.5}} {{'a'}} {{'\\n'}} {{1e400}}",
    "{{1e6}} {{1000000.0}} {{123456789.0}} {{1e20}} {{1e21}} {{0.0001}} {{0.00001}} {{100000.0}} {{1.0}}",
    "{{\"a\\tb\\u00e9\\x41\\101\"}} {{`raw\\n`}}",
    "{{true}} {{false}}",
    "{{nil}}",
    "{{99999999999999999999}}",
    "{{9223372036854775808}}",
    "{{1x}}",
    "{{0x}}",
    "{{'ab'}}",
    "{{''}}",
    "{{\"\\q\"}}",
    "{{1.}}",
    "{{1..2}}",
    // builtins
    "{{len .Name}} {{len .Endpoints}} {{len .}}",
    "{{len 3}}",
    "{{len nil}}",
    "{{index .Name 0}}",
    "{{index .Name 99}}",
    "{{index .Name -1}}",
    "{{index .Name \"a\"}}",
    "{{index 3 1}}",
    "{{index nil 1}}",
    "{{index .Name}}",
    "{{index}}",
    "{{slice .Name 1 3}} {{slice .Name 2}} {{slice .Name}}",
    "{{slice .Name 3 1}}",
    "{{slice .Name 1 2 3}}",
    "{{slice 5 1}}",
    "{{slice .Name 0 99}}",
    "{{slice .Name 0 1 2 3}}",
    "{{and 1 0 2}} {{or 0 \"\" 3}} {{not 0}} {{and}}",
    "{{or}}",
    "{{not}}",
    "{{and true false}} {{or nil 1}} {{and 1 .Nope}}",
    "{{or 1 .Nope}} {{and 0 .Nope}}",
    "{{1 | and 2}} {{0 | or 0}}",
    "{{eq 1 1}} {{eq 1 2 1}} {{eq \"a\" \"a\"}} {{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt 3 2}} {{ge 1 2}}",
    "{{eq 1}}",
    "{{eq}}",
    "{{eq 1 \"a\"}}",
    "{{lt 1 \"a\"}}",
    "{{lt \"a\" \"b\"}} {{lt 1.5 2.5}}",
    "{{eq .Endpoints .Endpoints}}",
    "{{lt true false}}",
    "{{eq nil nil}} {{eq 1 nil}} {{eq nil 1}}",
    "{{eq 1.0 1}}",
    "{{eq true true}} {{eq .Storage .Storage}}",
    "{{ne 1 1 1}}",
    "{{print 1 2 \"a\" \"b\" 3 4 nil true}}|{{println 1 \"a\"}}|{{print}}|{{println}}",
    "{{print .Name .Endpoints}}",
    "{{html \"<a href='x'>&\\\"\"}} {{js \"it's <b> & \\\"x\\\" = 1\\n\"}} {{urlquery \"a b&c=d/é~\"}}",
    "{{call 1}}",
    "{{call .Name}}",
    "{{call nil}}",
    // printf
    "{{printf \"%d|%5d|%-5d|%05d|%+d|% d|%x|%X|%#x|%o|%b|%c|%q|%U|%#U\" 42 42 42 42 42 42 255 255 255 8 5 65 65 128512 128512}}",
    "{{printf \"%s|%10s|%-10s|%.2s|%q|%x|% x|%X|%v|%#v|%T\" \"hello\" \"hello\" \"hello\" \"hello\" \"he\\\"llo\" \"hi\" \"hi\" \"hi\" \"hi\" \"hi\" \"hi\"}}",
    "{{printf \"%f|%.2f|%8.3f|%e|%g|%G|%v|%.3g|%6.1f|%-8.1f|%08.2f|%+.1f\" 3.14159 3.14159 3.14159 31415.9 1e10 1e-7 2.5 1234.5 2.25 2.25 2.25 2.25}}",
    "{{printf \"%t|%v|%5t\" true false true}}",
    "{{printf \"%d %s %z %t\" \"a\" 5 1.5 1}}",
    "{{printf \"%d\"}}",
    "{{printf \"x\" 1 \"a\" nil}}",
    "{{printf \"%\"}}",
    "{{printf \"100%%\"}}",
    "{{printf \"%!\"}}",
    "{{printf \"%*d|%-*d|\" 5 42 5 42}}",
    "{{printf \"%v %v %v\" nil .Storage .Endpoints}}",
    "{{printf \"%+v\" .Storage}}",
    "{{printf \"%T %T %T %T %T %T\" 1 1.5 \"a\" true .Endpoints .Storage}}",
    "{{printf 1}}",
    "{{printf}}",
    "{{printf \"%s\" .Endpoints}} {{printf \"%q\" .Endpoints}}",
    "{{printf \"%05s|%05.1f|%-05d|\" \"ab\" -2.5 7}}",
    "{{printf \"%x\" -255}} {{printf \"%.3d\" 7}}",
    // docker's
    "{{upper .Name}} {{lower \"ABC\"}} {{title \"hello big-world's it_x\"}}",
    "{{upper 3}}",
    "{{upper .Endpoints}}",
    "{{upper nil}}",
    "{{upper}}",
    "{{upper 1 2}}",
    "{{split .Name \"a\"}} {{json (split \"a,b\" \",\")}} {{join (split \"a,b\" \",\") \"-\"}}",
    "{{join .Name \",\"}}",
    "{{join .Endpoints \",\"}}",
    "{{join nil \",\"}}",
    "{{pad .Name 2 3}}|{{pad \"\" 2 3}}|",
    "{{pad .Name -1 0}}",
    "{{pad 1 2 3}}",
    "{{pad .Name \"a\" 3}}",
    "{{truncate .Name 3}} {{truncate .Name 30}} {{truncate .Name 0}}",
    "{{truncate .Name -1}}",
    "{{.Name | upper | printf \"%s-%s\" \"x\"}}",
    "{{.Name | truncate 3}}",
    "{{upper .Endpoints.docker.Host}}",
    "{{upper .Endpoints.docker.SkipTLSVerify}}",
    "{{upper .Endpoints.x}}",
    // control
    "{{if .Name}}a{{else}}b{{end}} {{if \"\"}}a{{else if 0}}b{{else}}c{{end}} {{if not .Name}}x{{end}}",
    "{{with .Name}}{{.}}{{end}} {{with nil}}x{{else}}y{{end}} {{with 0}}x{{else with 1}}z{{.}}{{end}}",
    "{{range $i, $c := split \"a,b,c\" \",\"}}{{$i}}={{$c}};{{end}}",
    "{{range $k, $v := .Endpoints}}{{$k}} {{$v.Host}}{{end}}",
    "{{range .Endpoints}}{{.Host}}{{.Nope}}{{end}}",
    "{{range 3}}{{.}}{{end}} {{range $i := 3}}{{$i}}{{end}} {{range 0}}x{{else}}none{{end}}",
    "{{range .Name}}{{.}}{{end}}",
    "{{range nil}}x{{else}}e{{end}}",
    "{{range true}}x{{end}}",
    "{{range 1.5}}x{{end}}",
    "{{range 5}}{{if eq . 2}}{{continue}}{{end}}{{if eq . 4}}{{break}}{{end}}{{.}}{{end}}",
    "{{break}}",
    "{{range 2}}{{break 1}}{{end}}",
    "{{continue}}",
    "{{$x := 1}}{{$x}}{{$x = 2}}{{$x}}{{if true}}{{$x = 3}}{{$y := 4}}{{$y}}{{end}}{{$x}}",
    "{{$x}}",
    "{{$x = 1}}",
    "{{$x := .Nope}}",
    "{{$x, $y := 1}}",
    "{{range $x, 1 := 3}}{{end}}",
    "{{if $x := 5}}{{$x}}{{end}}{{$x}}",
    "{{define \"t\"}}[{{.}}]{{end}}{{template \"t\" .Name}}{{template \"t\"}}",
    "{{template \"no\"}}",
    "{{template 1}}",
    "{{block \"b\" .Name}}<{{.}}>{{end}}",
    "{{define \"x\"}}",
    "{{define x}}{{end}}",
    "{{block \"b\"}}{{end}}",
    // trim, comments, text
    "a {{- .Name -}} b",
    "a\n  {{- 1}} {{2 -}}\n b",
    "{{/* c */}}x{{- /* c */ -}} y",
    "{{/* c }}",
    "{{/* c */ x}}",
    "{{- 1 -}}",
    "{{-1}}",
    "{{ -1 }}",
    "x}}y{z",
    "{{\"}}\"}}",
    "plain",
    // parse errors
    "{{",
    "{{.Name",
    "{{.Name}",
    "}}",
    "{{}}",
    "{{ }}",
    "{{if}}{{end}}",
    "{{if 1}}",
    "{{end}}",
    "{{else}}",
    "{{if 1}}{{else}}{{else}}{{end}}",
    "{{range}}{{end}}",
    "{{with}}{{end}}",
    "{{x}}",
    "{{.Name | x}}",
    "{{.Name |}}",
    "{{| .Name}}",
    "{{.Name | 3}}",
    "{{.Name | .}}",
    "{{.Name | \"a\"}}",
    "{{(}}",
    "{{)}}",
    "{{(.Name}}",
    "{{.Name)}}",
    "{{()}}",
    "{{\"abc}}",
    "{{`abc}}",
    "{{'a}}",
    "{{.Name!}}",
    "{{.Na-me}}",
    "{{#}}",
    "{{é}}",
    "{{☃}}",
    "{{.☃}}",
    "{{:}}",
    "{{$x :}}",
    "{{$x : = 1}}",
    "{{.Name,}}",
    "{{,}}",
    "{{@}}",
    "{{..}}",
    "{{.Name..X}}",
    "{{1.Name}}",
    "{{\"a\".B}}",
    "{{true.X}}",
    "{{nil.X}}",
    "{{.Name .Storage.X .}}",
    "{{len .Name .Name}}",
    "{{len}}",
    "{{.Name.}}",
    "{{if .Name}}{{nope}}{{end}}",
    "a\nb{{.Nope}}",
    "a\n{{if 1}}\n{{x}}{{end}}",
    "{{if 1}}\nabc",
    "{{\n.Name",
    "{{printf `a\nb` | x}}",
    "{{\n\n.Nope}}",
    "{{end",
    "{{if 1}}x{{end",
    "{{verylongidentifiername}}",
    "{{if \"verylongstringliteral\" :}}",
    "{{define \"a\"}}{{end}}{{define \"a\"}}x{{end}}",
    "{{define \"a\"}}x{{end}}{{define \"a\"}}y{{end}}",
    "{{else if}}",
    "{{if 1}}{{else if}}{{end}}",
    "{{if 1}}{{else with 1}}{{end}}",
    "{{template \"a\" .Nope}}{{define \"a\"}}{{end}}",
    "{{define \"a\"}}{{.Nope}}{{end}}{{template \"a\" .}}",
    "{{(1).X}}",
    "{{(nil).X}}",
    "{{nil | print}}",
    "{{1 | 2}}",
    "{{1 2}}",
    "{{. .}}",
    "{{(.Name) 1}}",
];

#[test]
fn like_the_real_client() {
    let config = std::env::temp_dir().join("bottleship-gotmpl-docker-config");
    let run = |t: &str| {
        Command::new("docker")
            .args(["context", "inspect", "default", "--format", t])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("DOCKER_CONFIG", &config)
            .output()
    };
    match run("{{printf \"%T\" .}}") {
        Ok(o) if o.stdout.starts_with(b"context.contextWithTLSListing") => {}
        _ => {
            eprintln!("skipped: no docker client on PATH to compare with");
            return;
        }
    }
    let value = context();
    let mut bad = 0;
    for t in TEMPLATES {
        let o = run(t).expect("docker runs");
        let stdout = String::from_utf8_lossy(&o.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&o.stderr).into_owned();
        let theirs = if o.status.success() {
            stdout.strip_suffix('\n').unwrap_or(&stdout).to_string()
        } else {
            stderr
                .trim_end_matches('\n')
                .trim_start_matches("template parsing error: ")
                .to_string()
        };
        let ours = match Template::parse("", t).and_then(|t| t.execute(&value, MissingKey::Invalid))
        {
            Ok(s) => s,
            Err(e) => e.to_string(),
        };
        if ours != theirs {
            bad += 1;
            eprintln!("{t:?}\n  docker: {theirs:?}\n  ours:   {ours:?}");
        }
    }
    assert_eq!(bad, 0, "{bad} of {} templates differ", TEMPLATES.len());
}

#[test]
fn hostile_templates_stop() {
    let value = Value::List(Rc::new(List {
        elem: "interface {}".into(),
        items: vec![],
        nil: false,
    }));
    let run = |t: &str| Template::parse("", t).and_then(|t| t.execute(&value, MissingKey::Invalid));
    assert!(run(&"{{if 1}}".repeat(1000)).is_err());
    assert!(run(&format!("{{{{{}", "(".repeat(100_000))).is_err());
    assert!(run("{{define \"a\"}}{{template \"a\"}}{{end}}{{template \"a\"}}").is_err());
    assert!(run("{{range 1000000000}}{{end}}").is_err());
    assert!(run("{{range 1000000}}{{printf \"%1000000d\" 1}}{{end}}").is_err());
    assert!(run("{{printf \"%99999999999999999999d\" 1}}").is_ok());
    assert!(run("{{pad \"a\" 9000000000000 1}}").is_err());
}

#[test]
fn raw_json_as_inspect_falls_back_to() {
    let doc: serde_json::Value =
        serde_json::from_str(r#"{"A":{"B":[1,2.5,null,"x"],"C":null},"N":1e3}"#).unwrap();
    let v = Value::from(&doc);
    let run = |t: &str| match Template::parse("", t)
        .unwrap()
        .execute(&v, MissingKey::Error)
    {
        Ok(s) => s,
        Err(e) => e.to_string(),
    };
    assert_eq!(
        run("{{.A.B}} {{.A}}"),
        "[1 2.5 <nil> x] map[B:[1 2.5 <nil> x] C:<nil>]"
    );
    assert_eq!(
        run("{{.Nope}}"),
        "template: :1:2: executing \"\" at <.Nope>: map has no entry for key \"Nope\""
    );
    assert_eq!(
        run("{{.A.C.D}}"),
        "template: :1:4: executing \"\" at <.A.C.D>: nil pointer evaluating interface {}.D"
    );
    assert_eq!(
        run("{{join .A.B \",\"}}"),
        "template: :1:9: executing \"\" at <.A.B>: wrong type for value; expected []string; got []interface {}"
    );
    assert_eq!(run("{{.A.C}}"), "<no value>");
}
