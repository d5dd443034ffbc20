/// A [<Property>] attribute for xunit v3: the method's arguments come from FsCheck.
namespace Diff.Testing

open System
open System.Runtime.CompilerServices
open System.Runtime.InteropServices
open System.Threading.Tasks
open Xunit
open Xunit.Sdk
open Xunit.v3
open FsCheck

/// Runs a method as a property: 100 random cases unless MaxTest says otherwise; a failure is shrunk and can be replayed.
[<AttributeUsage(AttributeTargets.Method ||| AttributeTargets.Property)>]
[<XunitTestCaseDiscoverer(typeof<PropertyDiscoverer>)>]
type PropertyAttribute
    (
        [<CallerFilePath; Optional; DefaultParameterValue(null: string | null)>] file: string | null,
        [<CallerLineNumber; Optional; DefaultParameterValue(-1)>] line: int
    ) =
    inherit FactAttribute(file, line)
    member val MaxTest = 100 with get, set
    /// "seed,gamma[,size]" of a failed run.
    member val Replay: string = "" with get, set

and PropertyTestRunner() =
    inherit XunitTestRunner()

    override _.InvokeTest(ctxt, instance) =
        let clock = Diagnostics.Stopwatch.StartNew()
        ctxt.Aggregator.Run(fun () ->
            let m = ctxt.Test.TestCase.TestMethod.Method
            let a =
                m.GetCustomAttributes(typeof<PropertyAttribute>, true)[0] :?> PropertyAttribute
            let config =
                Config.QuickThrowOnFailure.WithMaxTest(a.MaxTest).WithQuietOnSuccess(true).WithName(m.Name)
            let config =
                if String.IsNullOrEmpty a.Replay then
                    config
                else
                    let p = a.Replay.Split ','
                    let size = if p.Length > 2 then Some(int p[2]) else None
                    config.WithReplay(
                        Some
                            { Rnd = Rnd(uint64 p[0], uint64 p[1])
                              Size = size }
                    )
            Check.Method(config, m, ?target = Option.ofObj instance))
        ValueTask<TimeSpan>(clock.Elapsed)

and PropertyTestCaseRunner() =
    inherit XunitTestCaseRunner()

    override _.RunTest(ctxt, test) =
        PropertyTestRunner()
            .Run(
                test,
                ctxt.MessageBus,
                ctxt.ConstructorArguments,
                ctxt.ExplicitOption,
                ctxt.Aggregator.Clone(),
                ctxt.CancellationTokenSource,
                ctxt.BeforeAfterTestAttributes
            )

and PropertyTestCase =
    inherit XunitTestCase
    #nowarn 44 // the base constructor is marked obsolete because only the de-serializer calls it
    new() = { inherit XunitTestCase() }
    #warnon 44
    new
        (
            m: IXunitTestMethod,
            name,
            id,
            isExplicit,
            skipExceptions,
            skipReason,
            skipType,
            skipUnless,
            skipWhen,
            file,
            line,
            timeout
        ) =
        { inherit
            XunitTestCase(
                m,
                name,
                id,
                isExplicit,
                skipExceptions,
                skipReason,
                skipType,
                skipUnless,
                skipWhen,
                TestIntrospectionHelper.GetTraits(m, null),
                null,
                file,
                line,
                timeout
            ) }
    interface ISelfExecutingXunitTestCase with
        member this.Run(explicitOption, bus, args, aggregator, cts) =
            task {
                let! tests = this.CreateTests()
                return!
                    PropertyTestCaseRunner()
                        .Run(
                            this,
                            tests,
                            bus,
                            aggregator,
                            cts,
                            this.TestCaseDisplayName,
                            this.SkipReason,
                            explicitOption,
                            args
                        )
            }
            |> ValueTask<RunSummary>

and PropertyDiscoverer() =
    interface IXunitTestCaseDiscoverer with
        member _.Discover(options, testMethod, fact) =
            let struct (name, isExplicit, skipExceptions, skipReason, skipType, skipUnless, skipWhen, file,
                        line, timeout, id, resolved) =
                TestIntrospectionHelper.GetTestCaseDetails(options, testMethod, fact, label = null)
            let case =
                new PropertyTestCase(
                    resolved,
                    name,
                    id,
                    isExplicit,
                    skipExceptions,
                    skipReason,
                    skipType,
                    skipUnless,
                    skipWhen,
                    file,
                    line,
                    Nullable timeout
                )
            ValueTask<_>([| case :> IXunitTestCase |] :> Collections.Generic.IReadOnlyCollection<_>)
