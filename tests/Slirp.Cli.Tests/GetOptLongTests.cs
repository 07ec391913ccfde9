using System.Collections.Immutable;
using Slirp.Cli.Options;

namespace Slirp.Cli.Tests;

/// <summary>Each row is what getopt_long of glibc 2.36 does with the same table, written by hand; the rows with
/// slirp4netns' own options are compared with the real one in <see cref="Slirp4netnsComparison"/>.</summary>
public class GetOptLongTests
{
    private static readonly ImmutableArray<OptionDeclaration> Table =
    [
        new(OptionId.Configure, "configure", 'c'),
        new(OptionId.ExitFd, "exit-fd", 'e', TakesValue: true),
        new(OptionId.Mtu, "mtu", 'm', TakesValue: true),
        new(OptionId.EnableIpv6, "enable-ipv6", '6'),
        new(OptionId.EnableSandbox, "enable-sandbox"),
        new(OptionId.OutboundAddr, "outbound-addr", TakesValue: true),
        new(OptionId.OutboundAddr6, "outbound-addr6", TakesValue: true),
        new(OptionId.Publish, "publish", 'p', TakesValue: true) { IsExtension = true },
        new(OptionId.NoOffload, "mtu-free") { IsExtension = true },
    ];

    private static string Walk(string[] words, bool stop = false)
    {
        var walk = new GetOptLong("prog", Table, words, stop);
        var seen = new List<string>();
        while (walk.TryNext(out GetOptItem item))
            seen.Add(item.Kind switch
            {
                GetOptKind.Option => item.Option!.TakesValue ? $"{item.Option.Name}={item.Text}" : item.Option.Name,
                GetOptKind.Positional => $"<{item.Text}>",
                _ => $"!{item.Text}",
            });
        return string.Join(" | ", seen);
    }

    public static TheoryData<string, string, string> Accepted => new()
    {
        { "empty line",                         "",                       "" },
        { "long, value behind =",               "--mtu=9",                "mtu=9" },
        { "long, value in next word",           "--mtu 9",                "mtu=9" },
        { "empty value behind =",               "--mtu=",                 "mtu=" },
        { "value with = in it",                 "--mtu=a=b",              "mtu=a=b" },
        { "value that looks like an option",    "--mtu --configure",      "mtu=--configure" },
        { "value that is --",                   "--mtu -- x",             "mtu=-- | <x>" },
        { "short, value attached",              "-m9",                    "mtu=9" },
        { "short, value in next word",          "-m 9",                   "mtu=9" },
        { "short, = belongs to the value",      "-m=9",                   "mtu==9" },
        { "short value that is an option",      "-m -c",                  "mtu=-c" },
        { "bundle",                             "-c6",                    "configure | enable-ipv6" },
        { "bundle ending in a value",           "-ce3",                   "configure | exit-fd=3" },
        { "bundle, value in next word",         "-c6e 3 x",               "configure | enable-ipv6 | exit-fd=3 | <x>" },
        { "bundle, rest is value",              "-ec6",                   "exit-fd=c6" },
        { "prefix of one option",               "--conf",                 "configure" },
        { "prefix with value",                  "--ex=4 --ex 5",          "exit-fd=4 | exit-fd=5" },
        { "full name beats longer names",       "--outbound-addr=x",      "outbound-addr=x" },
        { "options behind positionals",         "x -c y --mtu 9 z",       "<x> | configure | <y> | mtu=9 | <z>" },
        { "-- ends options",                    "-c -- -c --mtu=9 --",    "configure | <-c> | <--mtu=9> | <-->" },
        { "-- at the end",                      "x --",                   "<x>" },
        { "a lone hyphen is positional",        "- -c",                   "<-> | configure" },
        { "repeated options are all handed out", "--mtu=1 --mtu=2",       "mtu=1 | mtu=2" },
        { "extension by its name",              "--publish=80:80 -p 1:1", "publish=80:80 | publish=1:1" },
        { "extension by prefix",                "--pub=80:80",            "publish=80:80" },
        { "extension yields to an original",    "--mt=9",                 "mtu=9" },
    };

    [Theory]
    [MemberData(nameof(Accepted))]
    public void Walks_as_getopt_long(string why, string line, string expected)
    {
        Assert.Equal((why, expected), (why, Walk(Argv.Words(line))));
    }

    public static TheoryData<string, string, string> Refused => new()
    {
        { "unknown long",               "--bogus",      "!prog: unrecognized option '--bogus'" },
        { "unknown long with value",    "--bogus=3",    "!prog: unrecognized option '--bogus=3'" },
        { "three hyphens",              "---",          "!prog: unrecognized option '---'" },
        { "case counts",                "--MTU=3",      "!prog: unrecognized option '--MTU=3'" },
        { "unknown short",              "-x",           "!prog: invalid option -- 'x'" },
        { "unknown short in a bundle",  "-cx6",         "configure | !prog: invalid option -- 'x' | enable-ipv6" },
        { "hyphen in a bundle",         "-c-",          "configure | !prog: invalid option -- '-'" },
        { "= behind a flag",            "-6=",          "enable-ipv6 | !prog: invalid option -- '='" },
        { "long without value",         "--mtu",        "!prog: option '--mtu' requires an argument" },
        { "prefix without value",       "--mt",         "!prog: option '--mtu' requires an argument" },
        { "short without value",        "-m",           "!prog: option requires an argument -- 'm'" },
        { "bundle without value",       "-cm",          "configure | !prog: option requires an argument -- 'm'" },
        { "value for a flag",           "--configure=1", "!prog: option '--configure' doesn't allow an argument" },
        { "value for a prefix",         "--conf=1",     "!prog: option '--configure' doesn't allow an argument" },
        { "empty value for a flag",     "--configure=", "!prog: option '--configure' doesn't allow an argument" },
        {
            "ambiguous", "--enable",
            "!prog: option '--enable' is ambiguous; possibilities: '--enable-ipv6' '--enable-sandbox'"
        },
        {
            "ambiguous, value shown", "--out=1",
            "!prog: option '--out=1' is ambiguous; possibilities: '--outbound-addr' '--outbound-addr6'"
        },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void Words_its_errors_as_getopt_long(string why, string line, string expected)
    {
        Assert.Equal((why, expected), (why, Walk(Argv.Words(line))));
    }

    [Theory]
    [InlineData("-c cmd -6 --mtu=9", "configure | <cmd> | <-6> | <--mtu=9>")]
    [InlineData("-c -- cmd -- -6", "configure | <cmd> | <--> | <-6>")]
    [InlineData("cmd -- x", "<cmd> | <--> | <x>")]
    [InlineData("--mtu 9 - -c", "mtu=9 | <-> | <-c>")]
    [InlineData("-- --bogus", "<--bogus>")]
    public void Stops_at_the_first_positional_when_told(string line, string expected)
    {
        Assert.Equal(expected, Walk(Argv.Words(line), stop: true));
    }

    [Fact]
    public void An_empty_word_is_a_positional_and_may_be_a_value()
    {
        Assert.Equal("<> | mtu=", Walk(["", "--mtu", ""]));
    }

    [Theory]
    [InlineData("-é", "!prog: invalid option -- 'é'")]
    [InlineData("-c\U0001F600", "configure | !prog: invalid option -- '\U0001F600'")]
    public void A_short_option_beyond_ascii_is_one_letter(string word, string expected)
    {
        Assert.Equal(expected, Walk([word]));
    }

    [Fact]
    public void Any_words_end_in_finitely_many_items_and_none_is_lost()
    {
        const int seed = 20260;
        var random = new Random(seed);
        string[] pieces = ["-", "--", "-c", "-m", "--mtu", "--mtu=", "--e", "x", "", "-c6e", "--conf=1", "-\ud83d"];
        for (int round = 0; round < 2000; round++)
        {
            var words = new string[random.Next(8)];
            for (int i = 0; i < words.Length; i++) words[i] = pieces[random.Next(pieces.Length)];
            var walk = new GetOptLong("prog", Table, words, random.Next(2) == 0);
            int items = 0, octets = words.Sum(w => w.Length + 1);
            while (walk.TryNext(out GetOptItem item))
            {
                Assert.Equal(item.Kind == GetOptKind.Option, item.Option is not null);
                Assert.True(++items <= octets, $"seed {seed}, round {round}: {string.Join(' ', words)}");
            }
        }
    }
}
