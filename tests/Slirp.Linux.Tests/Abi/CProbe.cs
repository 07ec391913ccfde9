using System.Globalization;
using Slirp.Linux.Tests.Support;
using Xunit;

namespace Slirp.Linux.Tests.Abi;

/// <summary>Has a C compiler say what expressions are worth, by a program that it compiles against the system headers.</summary>
internal static class CProbe
{
    /// <param name="preamble">Lines before main: the headers.</param>
    /// <param name="expressions">C expressions of integer type. One that begins with '?' may be an undefined macro, and
    /// one that begins with '?MACRO?' may lack what came with that macro: they are absent from the answer then.</param>
    internal static Dictionary<string, long> Evaluate(string preamble, IEnumerable<string> expressions)
    {
        string directory = Directory.CreateTempSubdirectory("slirp-abi-").FullName;
        try
        {
            var lines = new List<string> { preamble, "int main(void) {" };
            foreach (string expression in expressions)
            {
                string plain = Plain(expression);
                string guard = expression.LastIndexOf('?') > 0 ? expression.Split('?')[1] : plain;
                string print = $"    printf(\"%lld %s\\n\", (long long)({plain}), \"{plain}\");";
                lines.Add(expression[0] == '?' ? $"#ifdef {guard}\n{print}\n#endif" : print);
            }
            lines.Add("    return 0;\n}");
            File.WriteAllLines($"{directory}/probe.c", lines);
            var (status, words) = HelperProcess.Run("gcc", "-w", "-o", $"{directory}/probe", $"{directory}/probe.c");
            Assert.True(status == 0, words);
            return HelperProcess.Run($"{directory}/probe").Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(line => line.Split(' ', 2))
                .ToDictionary(pair => pair[1], pair => long.Parse(pair[0], CultureInfo.InvariantCulture));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    internal static string Plain(string expression) => expression[(expression.LastIndexOf('?') + 1)..];

    internal static string Headers => File.ReadAllText(Path.Combine(Root(), "tools/abi-probe/headers.h"));

    private static string Root()
    {
        string? directory = AppContext.BaseDirectory;
        while (directory is not null && !File.Exists(Path.Combine(directory, "Slirp.sln"))) directory = Path.GetDirectoryName(directory);
        return directory ?? throw new InvalidOperationException("the tests must lie inside the source tree");
    }
}

/// <summary>A test that compiles C; skipped, with the reason, where there is no compiler.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class CompilerFactAttribute : FactAttribute
{
    private static readonly bool HasCompiler = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')
        .Any(directory => File.Exists(Path.Combine(directory, "gcc")));

    public CompilerFactAttribute() => Skip = HasCompiler ? null : "no gcc: the ABI cannot be compared";
}
