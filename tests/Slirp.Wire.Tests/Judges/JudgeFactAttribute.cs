namespace Slirp.Wire.Tests.Judges;

/// <summary>A fact that asks a program of the system, and is skipped by name where that is not installed.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class JudgeFactAttribute : FactAttribute
{
    /// <param name="package">What to install, Debian's name.</param>
    /// <param name="path">A file or directory that is there if it is installed.</param>
    public JudgeFactAttribute(string package, string path)
    {
        Package = package;
        Path = path;
        if (!File.Exists(path) && !Directory.Exists(path)) Skip = $"{package} is not installed ({path})";
    }

    public string Package { get; }
    public string Path { get; }
}
