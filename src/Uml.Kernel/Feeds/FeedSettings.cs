using NuGet.Common;
using NuGet.Configuration;
using NuGet.Credentials;
using NuGet.Packaging.Signing;
using NuGet.Protocol;

namespace Uml.CI;

/// <summary>The user's NuGet settings, as they hold in a directory.</summary>
internal sealed class FeedSettings
{
    private static readonly Lock s_lock = new();

    private readonly ISettings _settings;
    private readonly ILogger _logger;

    private FeedSettings(ISettings settings, ILogger logger)
    {
        _settings = settings;
        _logger = logger;
    }

    /// <summary>The folders that NuGet keeps packages in: the global one first.</summary>
    public IReadOnlyList<PackageFolder> Folders =>
        [.. SettingsUtility.GetFallbackPackageFolders(_settings).Prepend(SettingsUtility.GetGlobalPackagesFolder(_settings)).Distinct(StringComparer.Ordinal).Select(f => new PackageFolder(f))];

    /// <summary>What signatures packages must have.</summary>
    public ClientPolicyContext SignaturePolicy => ClientPolicyContext.GetClientPolicy(_settings, _logger);

    /// <summary>The configuration files that hold, nearest first.</summary>
    public IReadOnlyList<string> Files => [.. _settings.GetConfigFilePaths()];

    /// <summary>Reads the settings that hold in a directory: its NuGet.Config, its parents', the user's and the machine's.</summary>
    /// <exception cref="KernelException">One of the files is broken.</exception>
    public static FeedSettings Load(string subject, string directory, ILogger logger)
    {
        try
        {
            ISettings settings = Settings.LoadDefaultSettings(directory, configFileName: null, new XPlatMachineWideSetting());
            lock (s_lock)
            {
                // Of this process: where another part of it, such as a restore, has set one up, that one serves.
                if (HttpHandlerResourceV3.CredentialService is null)
                    DefaultCredentialServiceUtility.SetupDefaultCredentialService(logger, nonInteractive: true);
                X509TrustStore.InitializeForDotNetSdk(logger);
            }

            return new FeedSettings(settings, logger);
        }
        catch (NuGetConfigurationException e)
        {
            throw new KernelException($"{subject} cannot be fetched: NuGet's settings are broken: {OneLine.Of(e)}", e) { Problem = KernelProblem.Unavailable };
        }
    }

    /// <summary>The enabled feeds that a package may come from.</summary>
    /// <param name="id">The package; null for all feeds.</param>
    public IReadOnlyList<PackageFeed> Feeds(string? id)
    {
        IEnumerable<PackageSource> sources = PackageSourceProvider.LoadPackageSources(_settings).Where(s => s.IsEnabled);
        PackageSourceMapping mapping = PackageSourceMapping.GetPackageSourceMapping(_settings);
        if (id is not null && mapping.IsEnabled)
        {
            IReadOnlyList<string> names = mapping.GetConfiguredPackageSources(id);
            sources = sources.Where(s => names.Contains(s.Name, StringComparer.OrdinalIgnoreCase));
        }

        return [.. sources.Select(s => new PackageFeed(s, _logger))];
    }

    /// <summary>Why there is no feed for a package, as the end of a sentence.</summary>
    public string WhyNoFeed(string id) => PackageSourceProvider.LoadPackageSources(_settings).Any(s => s.IsEnabled)
        ? $"the packageSourceMapping in {string.Join(", ", Files)} gives {id} to no enabled source: map it to one"
        : $"{string.Join(", ", Files)} name{(Files.Count == 1 ? "s" : "")} no enabled package source: add the one that has it (dotnet nuget add source)";
}
