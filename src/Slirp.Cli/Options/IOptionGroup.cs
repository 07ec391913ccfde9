namespace Slirp.Cli.Options;

/// <summary>Collects the options of one options record while the command line is walked.</summary>
/// <remarks>A group refuses at once what slirp4netns refuses at once, so that of several mistakes the first on the line
/// is reported and --help before it still helps; what slirp4netns checks after the walk waits for the group's
/// Finish.</remarks>
internal interface IOptionGroup
{
    /// <returns>False if the option is not of this group.</returns>
    bool TryTake(OptionId id, string value, out UsageFailure? failure);
}
