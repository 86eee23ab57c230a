"""How the command line is read, and what is said of one that is wrong."""
import random
import subprocess

from harness import PASSWORD, Case


class ArgumentsTest(Case):
    def test_an_unknown_verb_names_the_nearest(self):
        for word, nearest in (("pul", "pull"), ("psuh", "push"), ("bild", "build"), ("resolv", "resolve"), ("ls", "tags"),
                              ("cp", "copy"), ("rm", "delete"), ("digest", "resolve"), ("index", "manifest"),
                              ("discover", "referrers"), ("blob", "layers"), ("refer", "referrers")):
            self.assertEqual(self.usage(word, "x"), f"unknown verb '{word}': did you mean {nearest}?")
        self.assertEqual(self.usage("qqqqqq"), "unknown verb 'qqqqqq'")
        self.assertEqual(self.usage(""), "unknown verb ''")

    def test_an_unknown_flag_names_the_nearest(self):
        self.assertEqual(self.usage("copy", "--recursiv", "a", "b"), "unknown flag '--recursiv': did you mean --recursive?")
        self.assertEqual(self.usage("pull", "--jsno"), "unknown flag '--jsno': did you mean --json?")
        self.assertEqual(self.usage("pull", "--recursive", "a", "b"), "pull has no flag '--recursive', but copy has")
        self.assertEqual(self.usage("pull", "-z"), "unknown flag '-z'")
        for verb, flag, nearest in (("build", "--artifact-type=x", "--kind"), ("referrers", "--artifact-type", "--kind"),
                                    ("pull", "--force", "--existing"), ("tags", "--tls-verify=false", "--insecure"),
                                    ("tags", "--format", "--json")):
            self.assertEqual(self.usage(verb, flag), f"unknown flag '{flag.split('=')[0]}': did you mean {nearest}?")
        self.assertEqual(self.usage("push", "--threads", "4"), "unknown flag '--threads': write --option threads=VALUE")
        self.assertEqual(self.usage("push", "--client-cert=x"), "unknown flag '--client-cert': write --host HOST/client_cert=VALUE")
        self.assertEqual(self.usage("--jsno"), "unknown flag '--jsno': did you mean --json?")

    def test_a_usage_error_shows_the_usage_of_its_verb(self):
        done = self.run_tool("pull", "a")
        self.assertEqual(done.err, "cldoci: error: pull needs more arguments: REFERENCE DIR\n"
                         "usage: cldoci pull [flags] REFERENCE DIR\ncldoci help pull explains it.\n")
        self.assertEqual(self.usage("build", "site"), "build needs --kind KIND: what to build: component, datacenter, "
                         "module, or a media type of your own")
        self.assertEqual(self.usage("resolve", "a", "b"), "'b' is an argument too many for resolve")
        self.assertEqual(self.usage("pull"), "pull needs arguments: REFERENCE DIR")

    def test_flags_are_written_in_every_usual_way(self):
        first = self.ok("build", "site", "--kind", "component").out
        for arguments in (["--kind=component"], ["-k", "component"], ["-kcomponent"], ["-k=component"], ["-qk", "component"],
                          ["--kind", "module", "--kind", "component"]):
            self.assertEqual(self.ok("build", "site", *arguments).out, first, arguments)
            self.assertEqual(self.ok(*arguments, "build", "site").out, first, arguments)
        (self.work / "-dashed").mkdir()
        self.ok("build", "--kind=component", "--", "-dashed")
        self.assertEqual(self.usage("build", "--kind=component", "-dashed"), "unknown flag '-d'")
        self.assertEqual(self.usage("resolve", "--json=yes", "a"), "--json takes no value")
        self.assertEqual(self.usage("build", "site", "--kind"), "--kind needs a value: --kind KIND")
        self.assertEqual(self.usage("build", "site", "-k"), "-k needs a value: -k KIND")

    def test_any_number_of_short_flags_may_stand_together(self):
        self.ok("build", "site", "-" + "qv" * 1000 + "kcomponent")

    def test_a_flag_with_a_choice_takes_no_other_word(self):
        self.assertEqual(self.usage("pull", "a", "b", "--existing", "replce"), "--existing can't be 'replce': did you mean replace?")
        self.assertEqual(self.usage("pull", "a", "b", "--existing="), "--existing can't be '': it is one of: refuse merge replace")
        self.assertEqual(self.usage("tags", "a", "--timeout", "soon"), "--timeout can't be 'soon': it is a number of seconds")

    def test_options_are_set_by_name(self):
        self.built()
        self.ok("pull", "ocidir://layout:v1", "out", "--option", "existing=replace", "--option=threads=1")
        self.assertEqual(self.usage("tags", "ocidir://layout", "--option", "timout_ms=1"), "unknown option 'timout_ms': did you mean timeout_ms?")
        self.assertEqual(self.usage("tags", "ocidir://layout", "--option", "threads"), "'threads' is not NAME=VALUE")
        self.assertEqual(self.usage("tags", "ocidir://layout", "--option", "insecure=true"),
                         "insecure is an option of one registry: --host HOST/insecure=true")
        self.assertEqual(self.usage("tags", "ocidir://layout", "--host", "h/threads=1"),
                         "threads is not an option of one registry: --option threads=1")
        self.ok("tags", "ocidir://layout", "--host", "localhost:5000/plain_http=true", "--host=r.example/header=X-A=b")
        self.assertIn("threads", self.run_tool("tags", "ocidir://layout", "--option", "threads=many").err)

    def test_a_secret_is_never_an_argument(self):
        for arguments in (["tags", "ocidir://layout", "--host", f"h/password={PASSWORD}"],
                          ["login", "h", "user", f"--password={PASSWORD}"], ["login", "h", "user", "-p", PASSWORD],
                          ["login", "h", "user", f"-p{PASSWORD}"], ["login", "h", "user", PASSWORD],
                          ["tags", "a", "--option", f"password={PASSWORD}"]):
            self.assertNotIn(PASSWORD, self.usage(*arguments))

    def test_a_directory_is_no_reference(self):
        self.built()
        self.assertEqual(self.usage("tags", "layout"), "'layout' is a directory with an image layout, not a reference: write ocidir://layout[:TAG]")
        self.assertEqual(self.usage("resolve", "./layout:v1"),
                         "'./layout:v1' is a directory with an image layout, not a reference: write ocidir://./layout:v1")
        self.assertEqual(self.usage("push", "site", "registry.example/app:v1"),
                         "'site' is a directory, not a reference: cldoci build-and-push site TARGET --kind KIND builds and sends it")
        self.assertEqual(self.usage("exists", "site"), "'site' is a directory, not a reference: write ocidir://site[:TAG] for a "
                         "local layout, or docker.io/library/site for that repository of Docker Hub")
        self.assertIn("belongs: copy copies to a layout", self.usage("pull", "ocidir://layout:v1", "ocidir://other"))
        self.assertIn("where a directory belongs", self.usage("build", "ocidir://layout", "site", "-k", "component"))
        # A directory of the name of a registry hides no repository.
        (self.work / "127.0.0.1:1/app").mkdir(parents=True)
        self.assertIn("127.0.0.1:1", self.run_tool("exists", "127.0.0.1:1/app", "--option", "retries=0").err)

    def test_each_verb_says_where_its_artifacts_may_be(self):
        self.built()
        self.assertIn("build-and-push sends an artifact to a registry", self.usage("build", "site", "registry.example/app:v1", "-k", "component"))
        self.assertIn("copy copies between registries", self.usage("push", "registry.example/app:v1", "registry.example/app:v2"))
        self.assertIn("a registry collects its own garbage", self.usage("gc", "registry.example/app"))
        self.assertIn("does not say where", self.usage("push", "ocidir://layout:v1", "app:v1"))
        self.assertIn("does not say where", self.usage("copy", "ocidir://layout:v1", "v2"))
        self.assertIn("neither a tag nor a digest", self.usage("delete", "ocidir://layout"))
        self.assertIn("neither a tag nor a digest", self.usage("delete", "localhost:5000/app"))

    def test_a_tag_alone_is_one_of_the_same_repository(self):
        digest = self.built()
        self.assertEqual(self.ok("tag", "ocidir://layout:v1", "v10", "v11").out.strip(), digest)
        self.assertEqual(self.ok("tags", "ocidir://layout").out.split(), ["v1", "v10", "v11"])
        self.ok("tag", "ocidir://layout:v1", "ocidir://other:v1")
        self.assertEqual(self.ok("resolve", "ocidir://other:v1").out.strip(), digest)
        for wrong in ("app:v2", "", ".v2", "v 2", "x" * 129):
            self.assertIn("neither a tag nor a whole reference", self.usage("tag", "ocidir://layout:v1", wrong))
        # None is written where one is wrong.
        self.usage("tag", "ocidir://layout:v1", "v12", "app:v2")
        self.assertNotIn("v12", self.ok("tags", "ocidir://layout").out.split())

    def test_a_usage_error_is_json_where_that_is_asked_for(self):
        for arguments in (["pul", "--json"], ["pull", "--json"], ["tags", "--json", "--nonsense", "x"], ["--json"]):
            done = self.run_tool(*arguments)
            self.assertEqual(done.code, 2)
            self.assertEqual((done.json["error"]["status"], done.json["error"]["code"]), ("ARGUMENT", -1))
            self.assertIn(done.json["error"]["message"], done.err)

    def test_no_command_line_crashes_it(self):
        self.built()
        words = """build pull tag resolve layers options help manual completion login config x -h --help --json -q --progress
            plain --option threads=1 --option= -- -k component -kx/y --config config.json - -a a=b -ab= --existing merge -r
            --save 0 -o out -u --host 127.0.0.1:1/plain_http=true --host=x -qvqv --= -= site config.json ocidir://layout:v1
            ocidir://layout 127.0.0.1:1/a:b v2 @ : / ocidir:// a@sha256:00""".split() + ["", " ", "\x01", "\udcff", "ü"]
        seed = random.randrange(1 << 32)
        choice = random.Random(seed)
        for run in range(80):
            line = [choice.choice(words) for _ in range(choice.randrange(8))]
            done = self.run_tool(*line, environment={"CLDOCI_RETRIES": "0"})
            self.assertIn(done.code, (0, 1, 2), (seed, line, done.err))
            if "--json" in line and "--" not in line and done.code:
                self.assertTrue(done.json, (seed, line))

    def test_closed_streams_do_no_harm(self):
        self.built()
        for redirect, code in ((">&-", 1), ("2>&-", 0), ("<&-", 0), (">/dev/full", 1)):
            done = subprocess.run(f"exec cldoci resolve ocidir://layout:v1 {redirect}", shell=True, cwd=self.work,
                                  env=self.environment, capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, code, redirect)
            self.assertEqual("standard output:" in done.stderr, code == 1, done.stderr)
