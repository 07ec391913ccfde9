using System.Globalization;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>Numbers that a person may set by the environment to run a test longer or again as it failed.</summary>
internal static class Setting
{
    public static int Number(string name, int otherwise) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
}
