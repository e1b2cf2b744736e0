using NuGet.Common;

namespace Uml.CI;

/// <summary>Hands the warnings of NuGet's client on. What goes wrong for good is thrown anyway, and said once.</summary>
internal sealed class FeedLogger(IProgress<KernelProgress>? progress) : LoggerBase(LogLevel.Warning)
{
    public override void Log(ILogMessage message)
    {
        if (message.Level == LogLevel.Warning)
            progress?.Report(new KernelProgress(string.Join(' ', message.Message.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)), IsWarning: true));
    }

    public override Task LogAsync(ILogMessage message)
    {
        Log(message);
        return Task.CompletedTask;
    }
}
