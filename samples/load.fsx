// Diff for F# scripts: #load this file after a "dotnet build -c Release" of the repository.
#I "../src/Diff.Core.FSharp/bin/Release/net10.0"
#r "System.Numerics.Tensors.dll"
#r "Diff.Kernels.dll"
#r "Diff.Core.FSharp.dll"
