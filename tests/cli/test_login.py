"""login and logout: the password comes from standard input, and is shown nowhere."""
import json

from harness import PASSWORD, Case, Server, Terminal


class LoginTest(Case):
    def setUp(self):
        super().setUp()
        self.server = Server(self, password=PASSWORD, answer=(200, "{}"))
        self.config = self.work / "home/.docker/config.json"

    def login(self, *arguments, input):
        done = self.run_tool("login", self.server.host, *arguments, input=input)
        self.assertNotIn(PASSWORD, done.out + done.err)
        return done

    def test_a_password_has_a_newline_at_its_end_or_none(self):
        for end in (b"", b"\n", b"\r\n"):
            done = self.login("user", input=PASSWORD.encode() + end)
            self.assertEqual((done.code, done.out), (0, ""), done.err)
            self.assertEqual(done.err, f"cldoci: logged in; kept in {self.config} (auths: {self.server.host})\n")
            self.assertIn(self.server.host, json.loads(self.config.read_text())["auths"])
            done = self.ok("logout", self.server.host)
            self.assertEqual((done.out, done.err), ("", "cldoci: logged out\n"))
            self.assertNotIn(self.server.host, self.config.read_text())
        self.assertEqual(self.ok("logout", self.server.host).err, "cldoci: was not logged in\n")

    def test_the_ways_of_other_tools_work(self):
        for arguments in (["-u", "user", "--password-stdin"], ["--username=user"], ["--password-stdin", "user"]):
            self.assertEqual(self.login(*arguments, input=PASSWORD.encode()).code, 0, arguments)
        self.assertIn("needs a user", self.usage("login", self.server.host))
        self.assertIn("given twice", self.usage("login", self.server.host, "a", "-u", "b"))
        self.assertIn("is a URL", self.usage("login", "https://registry.example", "user"))

    def test_what_is_no_password_is_refused(self):
        for input, said in ((b"", "has no password"), (b"\n", "has no password"), (b"a\nb\n", "more than one line"),
                            (b"a\0b", "more than one line"), (b"x" * 70000, "too long")):
            done = self.login("user", input=input)
            self.assertEqual(done.code, 1)
            self.assertIn(said, done.err)
        wrong = self.login("user", "--json", input=b"wrong-" + PASSWORD.encode())
        self.assertEqual((wrong.code, wrong.json["error"]["status"]), (1, "UNAUTHORIZED"))
        self.assertFalse(self.config.exists())

    def test_it_is_json_where_that_is_asked_for(self):
        done = self.login("user", "--json", input=PASSWORD.encode())
        self.assertEqual((done.json["registry"], done.json["username"]), (self.server.host, "user"))
        self.assertIn("config.json", done.json["credentialSource"])
        self.assertTrue(self.ok("logout", self.server.host, "--json").json["wasLoggedIn"])
        self.assertFalse(self.ok("logout", self.server.host, "--json").json["wasLoggedIn"])

    def test_debug_does_not_show_the_password(self):
        done = self.login("user", "--debug", input=PASSWORD.encode())
        self.assertIn("cldoci: debug: ", done.err)

    def test_on_a_terminal_it_asks_without_echo(self):
        terminal = Terminal(self, "login", self.server.host, "user")
        terminal.read("Password: ")
        terminal.type(PASSWORD + "\n")
        self.assertEqual(terminal.end(), 0)
        self.assertNotIn(PASSWORD, terminal.shown)
        self.assertIn("logged in", terminal.shown)

    def test_ctrl_c_at_the_question_ends_it(self):
        terminal = Terminal(self, "login", self.server.host, "user")
        terminal.read("Password: ")
        terminal.type("\x03")
        self.assertEqual(terminal.end(), -2)
        self.assertFalse(self.config.exists())
